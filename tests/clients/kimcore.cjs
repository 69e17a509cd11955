// npm `chzzk`, driven by lines of JSON: commands on standard input, events on standard output (after '@').
//
// Arguments: one JSON object {address, cid | channel, login}. See run.py for what is asked and what is expected.
'use strict'

const readline = require('node:readline')
const { ChzzkClient } = require('chzzk')

const { address, cid, channel, login } = JSON.parse(process.argv[2])
const tell = (event) => console.log('@' + JSON.stringify(event))

const client = new ChzzkClient({
  baseUrls: { chzzkBaseUrl: `http://${address}`, gameBaseUrl: `http://${address}/nng_main` },
  ...(login ? { nidAuth: 'anything', nidSession: login } : {})
})
const chat = cid ? client.chat(cid) : client.chat({ channelId: channel })

chat.on('connect', () => tell({ event: 'connect' }))
chat.on('reconnect', () => tell({ event: 'reconnect' }))
chat.on('disconnect', () => tell({ event: 'disconnect' }))
chat.on('chat', ({ profile, extras, message, time, memberCount, hidden, isRecent }) => tell({
  event: isRecent ? 'recent' : 'chat',
  uid: profile.userIdHash,
  nickname: profile.nickname,
  role: profile.userRoleCode,
  color: profile.streamingProperty.nicknameColor.colorCode,
  title: profile.title?.name ?? null,
  verified: profile.verifiedMark,
  months: profile.streamingProperty.subscription?.accumulativeMonth ?? null,
  viewerBadges: profile.viewerBadges.map((badge) => badge.badge.imageUrl),
  emojis: extras.emojis,
  os: extras.osType,
  strange: Object.keys(extras).filter((key) => !['chatType', 'osType', 'streamingChannelId', 'emojis'].includes(key)),
  text: message,
  time,
  members: memberCount,
  hidden
}))
chat.on('raw', (message) => {
  if (message.cmd === 13101 || message.cmd === 15101 || message.retCode) {
    tell({ event: 'reply', cmd: message.cmd, code: message.retCode, lines: message.bdy.messageList?.length })
  }
})

const commands = {
  connect: () => chat.connect(),
  send: ({ text, emojis }) => chat.sendChat(text, emojis),
  recent: ({ count }) => chat.requestRecentChat(count),
  status: async ({ channel }) => {
    const status = await client.live.status(channel)
    tell({ event: 'status', cid: status?.chatChannelId ?? null, status: status?.status, playable: status?.livePollingStatus.playableStatus })
  },
  detail: async ({ channel }) => {
    const detail = await client.live.detail(channel)
    tell({ event: 'detail', name: detail.channel.channelName, title: detail.liveTitle, status: detail.status })
  },
  user: async () => {
    const user = await client.user()
    tell({ event: 'user', uid: user.userIdHash, nickname: user.nickname, loggedIn: user.loggedIn })
  },
  profile: async ({ uid }) => {
    const profile = await chat.profile(uid)
    tell({ event: 'profile', nickname: profile?.nickname ?? null })
  },
  quit: () => process.exit(0)
}

readline.createInterface({ input: process.stdin }).on('line', async (line) => {
  const command = JSON.parse(line)
  await commands[command.do](command)
})
