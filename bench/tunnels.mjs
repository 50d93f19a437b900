// Tunnels through an HTTPS proxy, to a `penstock load origin`, by HTTP/1.1 or HTTP/2.
//
// node bench/tunnels.mjs PROXY_PORT ORIGIN_PORT http1|h2 setup SECONDS
// node bench/tunnels.mjs PROXY_PORT ORIGIN_PORT http1|h2 down|up BYTES
//
// setup: 64 at a time, each with one byte there and back. By HTTP/1.1 each has a TLS connection of its
// own and a whole handshake; by HTTP/2 all share four connections. Prints how many were finished, or
// how many bytes arrived. Whatever goes wrong ends it with status 1.
import http2 from 'node:http2';
import tls from 'node:tls';

const AT_ONCE = 64;
const CONNECTIONS = 4;
const [proxyPort, originPort, way, mode, amount] = process.argv.slice(2);
const authority = `127.0.0.1:${originPort}`;
const unchecked = {rejectUnauthorized: false, servername: 'proxy.test'};

function byHttp1() {
  return new Promise((resolve, reject) => {
    const socket = tls.connect({port: proxyPort, host: '127.0.0.1', ...unchecked}, () =>
      socket.write(`CONNECT ${authority} HTTP/1.1\r\nHost: ${authority}\r\n\r\n`));
    let head = '';
    const listen = (piece) => {
      head += piece.toString('latin1');
      if (!head.includes('\r\n\r\n')) return;
      socket.off('data', listen);
      if (!/^HTTP\/1\.[01] 200 /.test(head)) reject(new Error(head));
      resolve(socket);
    };
    socket.on('data', listen);
    socket.on('error', reject);
  });
}

let sessions = [];
let next = 0;
function byHttp2() {
  if (!sessions.length) {
    sessions = Array.from({length: CONNECTIONS}, () => http2.connect(
      `https://127.0.0.1:${proxyPort}`, {...unchecked, settings: {initialWindowSize: 1 << 20}}));
    for (const session of sessions) {
      session.on('connect', () => session.setLocalWindowSize(1 << 24));
      session.on('error', (error) => { throw error; });
    }
  }
  return new Promise((resolve, reject) => {
    const stream = sessions[next++ % CONNECTIONS].request(
      {':method': 'CONNECT', ':authority': authority});
    stream.on('error', reject);
    stream.on('response', (headers) => {
      if (headers[':status'] === 200) resolve(stream);
      else reject(new Error(`status ${headers[':status']}`));
    });
  });
}

const open = way === 'h2' ? byHttp2 : byHttp1;

async function echoOne() {
  const tunnel = await open();
  await new Promise((resolve, reject) => {
    tunnel.on('error', reject);
    tunnel.once('data', resolve);
    tunnel.write('E');
  });
  // By HTTP/2 a reset, since nghttpx carries no half-close.
  const leave = way === 'h2' ? () => tunnel.close(http2.constants.NGHTTP2_CANCEL) : () => tunnel.end();
  await new Promise((resolve) => { tunnel.on('close', resolve); tunnel.resume(); leave(); });
}

async function setUp(seconds) {
  const until = Date.now() + 1000 * seconds;
  let finished = 0;
  const lane = async () => {
    for (; Date.now() < until; ++finished) await echoOne();
  };
  await Promise.all(Array.from({length: AT_ONCE}, lane));
  return finished;
}

async function down(bytes) {
  const tunnel = await open();
  tunnel.write(`S${bytes}\n`);
  let heard = 0;
  for await (const piece of tunnel) heard += piece.length;
  if (heard !== bytes) throw new Error(`${heard} bytes of ${bytes} came`);
  return heard;
}

// Until all has left this process. The origin's word that it came is not waited for: Squid and nghttpx
// carry no half-close, so behind them there is none.
async function up(bytes) {
  const piece = Buffer.alloc(1 << 20, 'E');
  const tunnel = await open();
  tunnel.write('K');
  for (let sent = 0; sent < bytes; sent += piece.length) {
    if (!tunnel.write(piece)) await new Promise((resolve) => tunnel.once('drain', resolve));
  }
  await new Promise((resolve) => { tunnel.end(resolve); });
  return bytes;
}

console.log(await {setup: setUp, down, up}[mode](Number(amount)));
process.exit(0);
