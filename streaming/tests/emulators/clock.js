// Preloaded into an emulator (node --require): its clock is BEHIND_SECONDS behind that of whoever started it.
const behindMs = 1000 * Number(process.env.BEHIND_SECONDS)
const now = Date.now
Date.now = () => now() - behindMs // kinesalite's
Object.defineProperty(performance, 'timeOrigin', { value: performance.timeOrigin - behindMs }) // kinesis-local's
