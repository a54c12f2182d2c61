// Runs scripts of pages in node: `node node.js COURSE SCRIPT...` reads the body of an async function from standard input,
// with what a page knows as `course`, and writes what it returns as JSON.  Numbers that JSON does not know
// become the strings "NaN", "Infinity" and "-Infinity".  Workers are threads.

const { readFileSync } = require("node:fs");
const { runInThisContext } = require("node:vm");
const { Worker: Thread } = require("node:worker_threads");

const LIKE_A_PAGES_WORKER = `
const { parentPort } = require("node:worker_threads");
globalThis.self = globalThis;
globalThis.location = { href: "" };
globalThis.importScripts = () => {};
globalThis.postMessage = (message, moved) => parentPort.postMessage(message, moved);
parentPort.on("message", (data) => globalThis.onmessage({ data }));
`;

const texts = new Map();
URL.createObjectURL = (blob) => {
  texts.set(`text:${texts.size}`, blob.text);
  return `text:${texts.size - 1}`;
};
URL.revokeObjectURL = () => {};
globalThis.Blob = class {
  constructor(parts) {
    this.text = parts.join("");
  }
};
globalThis.Worker = class {
  constructor(url) {
    this.thread = new Thread(LIKE_A_PAGES_WORKER + texts.get(url), { eval: true });
    this.thread.on("message", (data) => this.onmessage({ data }));
    this.thread.on("error", (error) => this.onerror(error));
  }
  postMessage(message) {
    this.thread.postMessage(message);
  }
  terminate() {
    this.thread.removeAllListeners("message"); // what it has sent is dropped, as in a browser
    this.thread.terminate();
  }
};

globalThis.course = JSON.parse(process.argv[2]);
for (const script of process.argv.slice(3)) runInThisContext(readFileSync(script, "utf8"), script);

const AsyncFunction = (async () => {}).constructor;
const plain = (_, value) => {
  if (ArrayBuffer.isView(value)) return Array.from(value);
  return typeof value === "number" && !Number.isFinite(value) ? String(value) : value;
};
new AsyncFunction(readFileSync(0, "utf8"))().then(
  (value) => {
    process.stdout.write(JSON.stringify(value ?? null, (key, item) => plain(key, plain(key, item))));
  },
  (error) => {
    console.error(error.stack);
    process.exitCode = 1;
  },
);
