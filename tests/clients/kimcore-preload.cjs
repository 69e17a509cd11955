// Loaded before the program (`node -r`): lets npm `chzzk` reach a gateway on this machine.
//
// Its HTTP addresses are options, its chat hosts are not, so the WebSocket class it asks for is one that sends those
// hosts to MADANG_ADDRESS. The package's own files stay as they were published.
'use strict'

const name = require.resolve('isomorphic-ws')
const WebSocket = require(name)
const HOSTS = /^wss:\/\/kr-ss\d+\.chat\.naver\.com/

class LocalWebSocket extends WebSocket {
  constructor (url, ...rest) {
    super(String(url).replace(HOSTS, `ws://${process.env.MADANG_ADDRESS}`), ...rest)
  }
}

require.cache[name].exports = LocalWebSocket
