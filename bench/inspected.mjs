// Requests inside tunnels that a proxy inspects.
//
// node bench/inspected.mjs PROXY_PORT ORIGIN_PORT ROOT setup SECONDS     finished
// node bench/inspected.mjs PROXY_PORT ORIGIN_PORT ROOT latency COUNT     their times in us, a line each
// node bench/inspected.mjs PROXY_PORT ORIGIN_PORT ROOT down|up BYTES     bytes
//
// setup: 32 at a time, each a tunnel, a whole TLS handshake that trusts ROOT alone, and one small
// request. latency: one after another. Whatever goes wrong ends it with status 1.
import fs from 'node:fs';
import net from 'node:net';
import tls from 'node:tls';

const AT_ONCE = 32;
const [proxyPort, originPort, root, mode, amount] = process.argv.slice(2);
const authority = `localhost:${originPort}`;
const context = tls.createSecureContext({ca: fs.readFileSync(root)});

function open() {
  return new Promise((resolve, reject) => {
    const socket = net.connect(proxyPort, '127.0.0.1', () =>
      socket.write(`CONNECT ${authority} HTTP/1.1\r\nHost: ${authority}\r\n\r\n`));
    socket.on('error', reject);
    socket.on('close', () => reject(new Error('no tunnel')));
    socket.once('data', (head) => {
      if (!/^HTTP\/1\.[01] 200 /.test(head.toString('latin1'))) reject(new Error(head));
      const secure = tls.connect({socket, secureContext: context, ALPNProtocols: ['http/1.1'],
                                  servername: 'localhost'},
                                 () => resolve(secure));
      secure.on('error', reject);
      secure.on('close', () => reject(new Error('no handshake')));
    });
  });
}

// Bytes of the answer's body, whose status must be 200.
function exchange(secure, head, body) {
  return new Promise((resolve, reject) => {
    let heard = -1;
    let text = '';
    secure.on('data', (piece) => {
      if (heard >= 0) { heard += piece.length; return; }
      text += piece.toString('latin1');
      const end = text.indexOf('\r\n\r\n');
      if (end < 0) return;
      if (!/^HTTP\/1\.1 200 /.test(text)) reject(new Error(text));
      heard = text.length - end - 4;
    });
    secure.on('close', () => (heard < 0 ? reject(new Error('no answer')) : resolve(heard)));
    secure.on('error', reject);
    secure.write(`${head} HTTP/1.1\r\nHost: ${authority}\r\nConnection: close\r\n` +
                 (body ? `Content-Length: ${body}\r\n\r\n` : '\r\n'));
  });
}

async function one() {
  const secure = await open();
  await exchange(secure, 'GET /3');
  secure.destroy();
}

async function setup(seconds) {
  const until = Date.now() + 1000 * seconds;
  let finished = 0;
  const lane = async () => { for (; Date.now() < until; ++finished) await one(); };
  await Promise.all(Array.from({length: AT_ONCE}, lane));
  return finished;
}

async function latency(count) {
  const times = [];
  for (let i = 0; i < count; ++i) {
    const began = process.hrtime.bigint();
    await one();
    times.push(Number((process.hrtime.bigint() - began) / 1000n));
  }
  return times.join('\n');
}

async function down(bytes) {
  const heard = await exchange(await open(), `GET /${bytes}`);
  if (heard !== bytes) throw new Error(`${heard} bytes of ${bytes} came`);
  return heard;
}

async function up(bytes) {
  const secure = await open();
  const answered = exchange(secure, 'POST /up', bytes);
  const piece = Buffer.alloc(1 << 20, 'E');
  for (let sent = 0; sent < bytes; sent += piece.length) {
    // The last piece may be answered, and the connection closed, before it has drained.
    if (!secure.write(piece)) {
      await new Promise((resolve) => secure.once('drain', resolve).once('close', resolve));
    }
  }
  await answered;
  return bytes;
}

console.log(await {setup, latency, down, up}[mode](Number(amount)));
process.exit(0);
