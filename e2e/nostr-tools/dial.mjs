// Connects nostr-tools to URL at ADDRESS: cluster names are unknown to this host's resolver. The library itself is unmodified.

import { Relay, useWebSocketImplementation } from 'nostr-tools/relay'
import WebSocket from 'ws'

export const [url, address] = process.argv.slice(2)

const lookup = (host, options, found) => (options.all ? found(null, [{ address, family: 4 }]) : found(null, address, 4))

useWebSocketImplementation(
  class extends WebSocket {
    constructor(url, protocols) {
      super(url, protocols, { lookup })
    }
  },
)

export const dial = () => Relay.connect(url)
