// Viewers of one broadcast, as a load tester would write them in Node with the usual WebSocket library.
//
//     npm ci && node viewers.mjs URL CID COUNT SECONDS
//
// Opens COUNT connections that only read, says `joined` on stderr when all are in, counts for SECONDS what they are sent,
// and prints one line of JSON. Every message is parsed, and every line of it looked at.

import { setTimeout as pause } from "node:timers/promises";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import WebSocket from "ws";

/** Joins under way at once. */
const JOINING = 48;

/** How long one join may take, in milliseconds. */
const PATIENCE = 10_000;

/** How long the memory may settle after a collection, in milliseconds. */
const SETTLING = 1_000;

const PING = 0;
const PONG = 10_000;
const CONNECT = 100;
const CONNECTED = 10_100;
const CHAT = 93_101;

/** What all viewers received while it was counted. */
const totals = { messages: 0, lines: 0, bytes: 0, outOfOrder: 0, lost: 0 };
let counting = false;

/** Resident memory in bytes, without what a collection would free. */
async function settledMemory() {
  setFlagsFromString("--expose-gc");
  runInNewContext("gc")();
  await pause(SETTLING);
  return process.memoryUsage.rss();
}

/** Opens a connection and joins; resolves with the socket, whose messages are counted from then on. */
function join(url, cid) {
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(url);
    const late = setTimeout(() => refuse(`no answer in ${PATIENCE} ms`), PATIENCE);
    const refuse = (why) => {
      clearTimeout(late);
      socket.removeAllListeners();
      // A socket that is given up before it is open says so once more.
      socket.on("error", () => {});
      socket.terminate();
      reject(new Error(why));
    };
    const connect = { ver: "3", cmd: CONNECT, svcid: "game", cid, tid: 1 };
    const bdy = { uid: null, devType: 2001, accTkn: null, auth: "READ" };
    socket.on("open", () => socket.send(JSON.stringify({ ...connect, bdy })));
    socket.on("error", (error) => refuse(error.message || error.code));
    socket.on("close", (code, reason) => refuse(`closed with ${code} ${reason}`));
    socket.on("message", (data) => {
      const answer = JSON.parse(data.toString());
      if (answer.cmd !== CONNECTED) {
        return;
      }
      if (answer.retCode !== 0) {
        refuse(`refused: ${data}`);
        return;
      }
      clearTimeout(late);
      socket.removeAllListeners();
      watch(socket);
      resolve(socket);
    });
  });
}

/** Counts what a joined socket is sent. */
function watch(socket) {
  const last = new Map();
  socket.on("message", (data) => {
    const message = JSON.parse(data.toString());
    if (message.cmd === PING) {
      socket.send(JSON.stringify({ ver: "2", cmd: PONG }));
    }
    const lines = message.cmd === CHAT ? message.bdy : [];
    const wrong = lines.filter((line) => !follows(last, line)).length;
    if (counting) {
      totals.messages += 1;
      totals.lines += lines.length;
      totals.bytes += data.length;
      totals.outOfOrder += wrong;
    }
  });
  socket.on("error", () => {});
  socket.on("close", () => { totals.lost += 1; });
}

/** Whether a line is not its author's last one again, and rises if it begins with a number. */
function follows(last, { uid, msg, msgTime }) {
  const number = Number.parseInt(msg, 10);
  const before = last.get(uid);
  last.set(uid, { msgTime, number });
  return before === undefined || (before.msgTime !== msgTime && !(number <= before.number));
}

/** Joins `count` viewers, a few dozen at once. */
async function joinAll(url, cid, count) {
  const sockets = [];
  let begun = 0;
  const joiner = async () => {
    while (begun < count) {
      begun += 1;
      sockets.push(await join(url, cid));
    }
  };
  await Promise.all(Array.from({ length: JOINING }, joiner));
  return sockets;
}

/** Counts for `seconds`; gives how long it took and what it cost, both in seconds. */
async function count(seconds) {
  const [begun, cpu] = [process.hrtime.bigint(), process.cpuUsage()];
  counting = true;
  await pause(seconds * 1_000);
  counting = false;
  const { user, system } = process.cpuUsage(cpu);
  return { seconds: Number(process.hrtime.bigint() - begun) / 1e9, cpuSeconds: (user + system) / 1e6 };
}

async function main([url, cid, viewers, seconds]) {
  if (!(url && cid && Number(viewers) > 0 && Number(seconds) > 0)) {
    throw new Error("usage: node viewers.mjs URL CID COUNT SECONDS");
  }
  const rssBefore = await settledMemory();
  const sockets = await joinAll(url, cid, Number(viewers)).catch((error) => {
    throw new Error(`a viewer could not join ${cid} at ${url}: ${error.message}`);
  });
  const joined = sockets.length - totals.lost;
  const rssJoined = await settledMemory();
  console.error("joined");
  const counted = await count(Number(seconds));
  console.log(JSON.stringify({ viewers: Number(viewers), joined, ...counted, rssBefore, rssJoined, ...totals }));
}

try {
  await main(process.argv.slice(2));
  process.exit(0);
} catch (error) {
  console.error(error.message);
  process.exit(1);
}
