// A .zip of what the reader takes along, made while the page goes on answering.

(() => {
  course.bytes = (text) => new TextEncoder().encode(text);

  const CRC = Uint32Array.from({ length: 256 }, (_, n) => {
    let c = n;
    for (let bit = 0; bit < 8; bit++) c = c & 1 ? 0xedb88320 ^ (c >>> 1) : c >>> 1;
    return c;
  });

  async function checksum(parts, breathe) {
    let crc = -1;
    for (const part of parts) {
      for (let i = 0; i < part.length; i++) crc = CRC[(crc ^ part[i]) & 0xff] ^ (crc >>> 8);
      await breathe();
    }
    return ~crc >>> 0;
  }

  // Numbers of 2 or 4 bytes, the lowest first, as all machines that run a browser have them
  const two = (...numbers) => new Uint8Array(Uint16Array.from(numbers).buffer);
  const four = (...numbers) => new Uint8Array(Uint32Array.from(numbers).buffer);
  const sizeOf = (parts) => parts.reduce((sum, part) => sum + part.length, 0);

  // A .zip without compression.  `files` are {name, parts}, parts arrays of bytes; so is what it gives.
  course.zip = async (files, when = new Date()) => {
    const breathe = course.breather();
    const day = ((when.getFullYear() - 1980) << 9) | ((when.getMonth() + 1) << 5) | when.getDate();
    const time = (when.getHours() << 11) | (when.getMinutes() << 5) | (when.getSeconds() >> 1);
    const out = [];
    const index = [];
    let at = 0;
    for (const { name, parts } of files) {
      const [path, size] = [course.bytes(name), sizeOf(parts)];
      const crc = await checksum(parts, breathe);
      // version, names in UTF-8, stored, when; checksum, sizes; lengths of the name and of what else there is
      const about = [two(20, 0x800, 0, time, day), four(crc, size, size), two(path.length, 0)];
      index.push(four(0x02014b50), two(20), ...about, two(0, 0, 0), four(0, at), path);
      const local = [four(0x04034b50), ...about, path, ...parts];
      for (const part of local) out.push(part);
      at += sizeOf(local);
    }
    const end = [four(0x06054b50), two(0, 0, files.length, files.length), four(sizeOf(index), at), two(0)];
    return [...out, ...index, ...end];
  };
})();
