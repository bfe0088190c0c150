// usage: MEMBER=SECRET node members.mjs wss://NAME ADDRESS
// A relay where only the listed read and write, by proved keys (NIP-42): nothing before the proof, everything after it, nothing for a stranger.
// Ends with "all good", or throws.

import assert from 'node:assert/strict'
import { finalizeEvent, generateSecretKey } from 'nostr-tools/pure'
import { hexToBytes } from 'nostr-tools/utils'
import { dial } from './dial.mjs'

const note = (secret, content) => finalizeEvent({ kind: 1, created_at: Math.floor(Date.now() / 1000), tags: [], content }, secret)

// a challenge comes by itself, a moment after the connection
const prove = async (relay, secret) => {
  for (let tries = 0; !relay.challenge && tries < 100; tries++) await new Promise(resolve => setTimeout(resolve, 20))
  return relay.auth(async event => finalizeEvent(event, secret))
}

// all stored events, or the reason why not
const stored = (relay, filters) =>
  new Promise((resolve, reject) => {
    const events = []
    const subscription = relay.subscribe(filters, {
      onevent: event => events.push(event),
      onclose: reason => reject(new Error(reason)),
      oneose: () => {
        resolve(events)
        subscription.onclose = undefined
        subscription.close()
      },
    })
  })

const member = hexToBytes(process.env.MEMBER)
const stranger = generateSecretKey()

const relay = await dial()
await assert.rejects(stored(relay, [{ kinds: [1] }]), /^Error: auth-required: /)
await assert.rejects(relay.publish(note(member, 'too early')), /auth-required: /)
console.log('nothing without a proof')

await prove(relay, member)
const mine = note(member, 'hello, members')
await relay.publish(mine)
assert.deepEqual((await stored(relay, [{ ids: [mine.id] }])).map(event => event.id), [mine.id])
console.log('a member writes and reads')

const other = await dial()
await prove(other, stranger)
await assert.rejects(stored(other, [{ kinds: [1] }]), /^Error: restricted: /)
await assert.rejects(other.publish(note(stranger, 'let me in')), /restricted: /)
console.log('a stranger does neither')

relay.close()
other.close()
console.log('all good')
