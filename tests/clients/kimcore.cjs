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
const lines = new Map()
chat.on('notice', (notice) => tell({
  event: 'notice', text: notice?.message ?? null, by: notice?.extras.registerProfile.userIdHash ?? null, recent: notice?.isRecent ?? false
}))
chat.on('blind', ({ userId, messageTime, blindType, message }) => tell({ event: 'blind', uid: userId, time: messageTime, kind: blindType, message }))
chat.on('systemMessage', ({ extras, message }) => tell({
  event: 'system', title: message, description: extras.description, target: extras.params?.targetNickname ?? null, roles: extras.visibleRoles.length
}))
chat.on('donation', ({ profile, extras, message, memberCount, isRecent }) => tell({
  event: 'donation', recent: isRecent, uid: profile?.userIdHash ?? null, text: message ?? null, kind: extras.donationType, amount: extras.payAmount,
  anonymous: extras.isAnonymous, mission: extras.missionText ?? null, status: extras.status ?? null, ranks: extras.weeklyRankList.length, members: memberCount
}))
chat.on('subscription', ({ profile, extras, message }) => tell({
  event: 'subscription', uid: profile.userIdHash, text: message, months: extras.month, tier: extras.tierNo, tierName: extras.tierName
}))
chat.on('chat', (line) => lines.set(line.message, line))
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
  if (message.cmd === 93006) tell({ event: 'event', type: message.bdy.type })
  if (message.cmd === 93102 && message.bdy[0].msgTypeCode === 12) {
    const extras = JSON.parse(message.bdy[0].extras)
    tell({ event: 'gift', kind: extras.giftType, receiver: extras.receiverUserIdHash ?? null, quantity: extras.quantity ?? null, tier: extras.giftTierNo })
  }
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
    tell({ event: 'status', cid: status?.chatChannelId ?? null, status: status?.status, playable: status?.livePollingStatus.playableStatus, emojiMode: status?.chatEmojiMode ?? null })
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
  pin: async ({ cid, text }) => {
    const { extras, message, time, profile } = lines.get(text)
    const answer = await client.chat.notice(cid, {
      extras, message, messageTime: time, messageUserIdHash: profile.userIdHash, streamingChannelId: extras.streamingChannelId
    })
    tell({ event: 'done', what: 'pin', status: answer.status })
  },
  unpin: async ({ cid }) => tell({ event: 'done', what: 'unpin', status: (await client.chat.notice(cid)).status }),
  blind: async ({ cid, text }) => {
    const { extras, message, time, profile } = lines.get(text)
    const answer = await client.chat.blind(cid, {
      message, messageTime: time, messageUserIdHash: profile.userIdHash, streamingChannelId: extras.streamingChannelId
    })
    tell({ event: 'done', what: 'blind', status: answer.status })
  },
  penalize: async ({ channel, cid, uid }) => {
    const user = await client.manage.temporaryRestrict(channel, cid, uid)
    tell({ event: 'done', what: 'penalize', uid: user?.userIdHash ?? null })
  },
  restrict: async ({ channel, uid }) => {
    const user = await client.manage.restrict(channel, uid)
    tell({ event: 'done', what: 'restrict', uid: user?.userIdHash ?? null })
  },
  activity: async ({ channel, uid }) => {
    const counted = await client.manage.chatActivityCount(channel, uid)
    tell({ event: 'activity', lines: counted.chatMessageCount, penalized: counted.temporaryRestrict, times: counted.temporaryRestrictCount })
  },
  release: async ({ channel, uid }) => tell({ event: 'done', what: 'release', status: (await client.manage.removeRestrict(channel, uid)).status }),
  appoint: async ({ channel, uid }) => {
    const user = await client.manage.setRole(channel, uid, 'streaming_chat_manager')
    tell({ event: 'done', what: 'appoint', uid: user?.userIdHash ?? null })
  },
  dismiss: async ({ channel, uid }) => tell({ event: 'done', what: 'dismiss', status: (await client.manage.removeRole(channel, uid)).status }),
  words: async ({ channel }) => tell({ event: 'words', words: (await client.manage.prohibitWords(channel)).map((word) => [word.prohibitWord, word.nickname]) }),
  forbid: async ({ channel, word }) => tell({ event: 'done', what: 'forbid', status: (await client.manage.addProhibitWord(channel, word)).status }),
  reword: async ({ channel, word, other }) => {
    const known = (await client.manage.prohibitWords(channel)).find((known) => known.prohibitWord === word)
    tell({ event: 'done', what: 'reword', status: (await client.manage.editProhibitWord(channel, known.prohibitWordNo, other)).status })
  },
  allow: async ({ channel, word }) => {
    const known = (await client.manage.prohibitWords(channel)).find((known) => known.prohibitWord === word)
    tell({ event: 'done', what: 'allow', status: (await client.manage.removeProhibitWord(channel, known.prohibitWordNo)).status })
  },
  allow_all: async ({ channel }) => tell({ event: 'done', what: 'allow_all', status: (await client.manage.removeAllProhibitWords(channel)).status }),
  setting: async ({ channel, ...params }) => {
    const { chatSlowModeSec, chatAvailableGroup } = await client.manage.setting(channel, params.chatSlowModeSec === undefined ? undefined : params)
    tell({ event: 'setting', slow: chatSlowModeSec, group: chatAvailableGroup })
  },
  quit: () => process.exit(0)
}

readline.createInterface({ input: process.stdin }).on('line', async (line) => {
  const command = JSON.parse(line)
  await commands[command.do](command)
})
