// A name server for tests: answers A, AAAA and SRV from a table, in one datagram each.

import { createSocket } from "node:dgram";
import { once } from "node:events";

const KINDS = { A: 1, AAAA: 28, SRV: 33 };

const name = (text) => Buffer.concat([...text.split(".").map((label) => Buffer.from([label.length, ...Buffer.from(label)])), Buffer.from([0])]);
const word = (value) => Buffer.from([value >> 8, value & 255]);

function data(kind, value) {
  if (kind === "A") return Buffer.from(value.split(".").map(Number));
  if (kind === "SRV") return Buffer.concat([word(0), word(5), word(value.port), name(value.target)]);
  throw new Error(`no ${kind} here`);
}

export class NameServer {
  /** `records`: { "name KIND": [value, …] }; a value of SRV is { port, target }. */
  static async start(records) {
    const server = new NameServer();
    server.records = records;
    server.socket = createSocket("udp4").bind(0, "127.0.0.1");
    await once(server.socket, "listening");
    server.address = `127.0.0.1:${server.socket.address().port}`;
    server.socket.on("message", (query, from) => server.socket.send(server.answer(query), from.port, from.address));
    return server;
  }

  answer(query) {
    const labels = [];
    let at = 12;
    while (query[at] !== 0) {
      labels.push(query.toString("latin1", at + 1, at + 1 + query[at]));
      at += 1 + query[at];
    }
    const question = query.subarray(12, at + 5);
    const kind = Object.keys(KINDS).find((known) => KINDS[known] === query.readUInt16BE(at + 1));
    const found = this.records[`${labels.join(".")} ${kind}`];
    const answers = (found ?? []).map((value) => {
      const bytes = data(kind, value);
      return Buffer.concat([Buffer.from([0xc0, 12]), word(KINDS[kind]), word(1), Buffer.from([0, 0, 0, 60]), word(bytes.length), bytes]);
    });
    const known = Object.keys(this.records).some((key) => key.startsWith(`${labels.join(".")} `));
    const head = [query.subarray(0, 2), word(0x8180 | (known ? 0 : 3)), word(1), word(answers.length), word(0), word(0)];
    return Buffer.concat([...head, question, ...answers]);
  }

  stop() {
    this.socket.close();
  }
}
