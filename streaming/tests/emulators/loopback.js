// Preloaded into an emulator (node --require): whatever it listens on is the loopback interface, and it ends with
// whoever started it, who holds the other end of its standard input.
const net = require('node:net')

const listen = net.Server.prototype.listen
net.Server.prototype.listen = function (first, ...rest) {
  if (first !== null && typeof first === 'object') return listen.call(this, { ...first, host: '127.0.0.1' }, ...rest)
  const callbacks = rest.filter((it) => typeof it === 'function')
  return listen.call(this, { port: Number(first), host: '127.0.0.1' }, ...callbacks)
}

process.stdin.on('end', () => process.exit(0)).resume()
