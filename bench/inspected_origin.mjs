// An origin in TLS: GET /N is answered with N bytes, POST with how many bytes came.
//
// node bench/inspected_origin.mjs PORT CERTIFICATE KEY
import fs from 'node:fs';
import https from 'node:https';

const [port, cert, key] = process.argv.slice(2);
const piece = Buffer.alloc(1 << 20, 'S');
const server = https.createServer(
  {cert: fs.readFileSync(cert), key: fs.readFileSync(key), keepAliveTimeout: 60_000},
  async (request, response) => {
    if (request.method === 'POST') {
      let heard = 0;
      for await (const part of request) heard += part.length;
      response.end(String(heard));
      return;
    }
    let left = Number(request.url.slice(1));
    response.setHeader('Content-Length', left);
    while (left > 0 && !response.destroyed) {
      const part = piece.subarray(0, Math.min(left, piece.length));
      left -= part.length;
      if (!response.write(part)) await new Promise((resolve) => {
        response.once('drain', resolve).once('close', resolve);
      });
    }
    response.end();
  });
server.listen(Number(port), '127.0.0.1');
