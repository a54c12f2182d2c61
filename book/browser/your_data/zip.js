// A .zip of what the reader takes along, made while the page goes on answering.

globalThis.course ??= {};

(() => {
  const SLICE = 12; // milliseconds after which a long computation lets the page breathe

  // A function to be awaited inside a loop: now and then it lets the page answer its reader.
  course.breather = () => {
    let begun = performance.now();
    return async () => {
      if (performance.now() - begun < SLICE) return;
      await new Promise((done) => setTimeout(done));
      begun = performance.now();
    };
  };

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

  // Numbers of 2 or 4 bytes, the lowest first
  function packed(...fields) {
    const out = [];
    for (const [size, value] of fields) for (let i = 0; i < size; i++) out.push(Math.floor(value / 256 ** i) % 256);
    return Uint8Array.from(out);
  }

  // A .zip without compression.  `files` are {name, parts}, parts arrays of bytes; so is what it gives.
  course.zip = async (files, when = new Date()) => {
    const breathe = course.breather();
    const day = ((when.getFullYear() - 1980) << 9) | ((when.getMonth() + 1) << 5) | when.getDate();
    const time = (when.getHours() << 11) | (when.getMinutes() << 5) | (when.getSeconds() >> 1);
    const out = [];
    const index = [];
    let at = 0;
    const add = (part) => {
      out.push(part);
      at += part.length;
    };
    for (const { name, parts } of files) {
      const size = parts.reduce((sum, part) => sum + part.length, 0);
      const path = course.bytes(name);
      const crc = await checksum(parts, breathe);
      // version, names in UTF-8, stored, when, checksum, sizes, lengths of the name and of what else there is
      const about = [
        [2, 20],
        [2, 0x800],
        [2, 0],
        [2, time],
        [2, day],
        [4, crc],
        [4, size],
        [4, size],
      ];
      const lengths = [
        [2, path.length],
        [2, 0],
      ];
      index.push(
        packed([4, 0x02014b50], [2, 20], ...about, ...lengths, [2, 0], [2, 0], [2, 0], [4, 0], [4, at]),
        path,
      );
      add(packed([4, 0x04034b50], ...about, ...lengths));
      add(path);
      parts.forEach(add);
    }
    const start = at;
    index.forEach(add);
    const count = [2, files.length];
    add(packed([4, 0x06054b50], [2, 0], [2, 0], count, count, [4, at - start], [4, start], [2, 0]));
    return out;
  };
})();
