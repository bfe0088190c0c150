// usage: node session.mjs ws://NAME ADDRESS
// What a web client does: publish, read back, hear a live event, count, and be refused with a reason. Ends with "all good", or throws.

import assert from 'node:assert/strict'
import { finalizeEvent, generateSecretKey, getPublicKey, verifyEvent } from 'nostr-tools/pure'
import { dial } from './dial.mjs'

const secret = generateSecretKey()
const author = getPublicKey(secret)
const now = () => Math.floor(Date.now() / 1000)
const note = (content, more = {}) => finalizeEvent({ kind: 1, created_at: now(), tags: [], content, ...more }, secret)

// all stored events of the filters, as the library hands them out
const stored = (relay, filters) =>
  new Promise((resolve, reject) => {
    const events = []
    const subscription = relay.subscribe(filters, {
      onevent: event => events.push(event),
      onclose: reason => reject(new Error(`closed: ${reason}`)),
      oneose: () => {
        resolve(events)
        subscription.onclose = undefined
        subscription.close()
      },
    })
  })

// the next live event
const live = (relay, filters, act) =>
  new Promise((resolve, reject) => {
    const subscription = relay.subscribe(filters, {
      onevent: event => {
        subscription.close()
        resolve(event)
      },
      oneose: () => act().catch(reject),
    })
  })

const relay = await dial()
const other = await dial()

const first = note('hello from nostr-tools \u{1f30d}\n"quoted" \\ back', { tags: [['t', 'fleet'], ['p', author]] })
await relay.publish(first)
const found = await stored(other, [{ ids: [first.id] }])
assert.equal(found.length, 1)
assert.ok(verifyEvent(found[0]), 'the signature holds after the way through the store')
assert.deepEqual(JSON.parse(JSON.stringify(found[0])), JSON.parse(JSON.stringify(first)))
console.log('published and read back')

assert.equal((await stored(other, [{ '#t': ['fleet'], authors: [author] }])).length, 1)
assert.equal((await stored(other, [{ '#t': ['navy'], authors: [author] }])).length, 0)
console.log('found by tag')

const second = note('live')
const heard = await live(other, [{ authors: [author], since: second.created_at, limit: 0 }], () => relay.publish(second))
assert.equal(heard.id, second.id)
console.log('heard live')

const older = note('{"name":"old"}', { kind: 0, created_at: now() - 10 })
const newer = note('{"name":"new"}', { kind: 0 })
await relay.publish(newer)
await assert.rejects(relay.publish(older), /duplicate/)
const profiles = await stored(other, [{ kinds: [0], authors: [author] }])
assert.deepEqual(profiles.map(event => event.id), [newer.id])
console.log('newest profile wins')

const forged = { ...note('mine'), content: 'not mine' }
await assert.rejects(relay.publish(forged), /invalid/)
console.log('forgery refused')

await relay.publish(finalizeEvent({ kind: 5, created_at: now(), tags: [['e', first.id]], content: '' }, secret))
assert.equal((await stored(other, [{ ids: [first.id] }])).length, 0)
console.log('deleted')

assert.equal(await relay.count([{ authors: [author], kinds: [0] }], {}), 1)
console.log('counted')

relay.close()
other.close()
console.log('all good')
