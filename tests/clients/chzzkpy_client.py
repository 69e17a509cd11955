"""PyPI `chzzkpy`, driven by lines of JSON: commands on standard input, events on standard output (after '@').

Argument: one JSON object {address, cid | channel, login}. See run.py for what is asked and what is expected.
"""

import asyncio
import json
import logging
import re
import sys

import aiohttp
from chzzkpy.unofficial.chat import ChatClient
from chzzkpy.unofficial.chat.error import ChatConnectFailed
from chzzkpy.unofficial.error import NotFoundException
from chzzkpy.unofficial.user import UserRole

HOSTS = re.compile(r"^wss://kr-ss\d+\.chat\.naver\.com")


def tell(**event):
    print("@" + json.dumps(event, ensure_ascii=False), flush=True)


class LocalSession:
    """Stands where the library keeps its aiohttp session, and sends its chat hosts to this machine."""

    def __init__(self, session, address):
        self.session, self.address = session, address

    async def ws_connect(self, url, **rest):
        return await self.session.ws_connect(HOSTS.sub(f"ws://{self.address}", url), **rest)

    async def close(self):
        await self.session.close()


async def local(client, address):
    """Points a client at a gateway on this machine: its sessions are replaced, no class is touched."""
    await client._async_setup_hook()
    for session in (client._api_session, client._game_session):
        await session.session.close()
        session.base_url = f"http://{address}"
        session.session = aiohttp.ClientSession(session.base_url)
    client.ws_session = LocalSession(client.ws_session, address)


def told(event, message, client):
    profile = message.profile
    return dict(
        event=event,
        uid=message.user_id,
        nickname=profile.nickname,
        role=profile.user_role.value,
        color=profile.streaming_property.nickname_color,
        title=profile.badge.name if profile.badge else None,
        verified=profile.verified_mark,
        months=(profile.streaming_property.subscription or None) and profile.streaming_property.subscription.accumulative_month,
        viewerBadges=[badge.image_url for badge in profile.viewer_badges],
        emojis=message.extras.emojis,
        os=message.extras.os_type,
        strange=[],
        text=message.content,
        time=round(message.time.timestamp() * 1000),
        members=message.member_count,
        hidden=message.message_status == "HIDDEN",
        mine=message.is_me,
    )


async def main():
    asked = json.loads(sys.argv[1])
    client = ChatClient(asked.get("channel", "unused"), chat_channel_id=asked.get("cid"))
    await local(client, asked["address"])
    lines = {}
    if asked.get("login"):
        client.login("anything", asked["login"])
        # What manages a channel has a session of its own, made at login.
        http = client.manage(asked.get("channel", "unused"))._http
        await http.session.close()
        http.base_url = f"http://{asked['address']}"
        http.session = aiohttp.ClientSession(http.base_url)

    @client.event
    async def on_connect():
        tell(event="connect")

    @client.event
    async def on_disconnect():
        tell(event="disconnect")

    @client.event
    async def on_chat(message):
        lines[message.content] = message
        tell(**told("chat", message, client))

    @client.event
    async def on_blind(blind):
        time = round(blind.time.timestamp() * 1000)
        tell(event="blind", uid=blind.user_id, time=time, kind=blind.blind_type, message=blind.message)

    @client.event
    async def on_notice(notice):
        tell(event="notice", text=notice.content, by=notice.extras.register_profile.user_id_hash, recent=False)

    @client.event
    async def on_unpin():
        tell(event="notice", text=None, by=None, recent=False)

    @client.event
    async def on_system_message(message):
        extras = message.extras
        tell(event="system", title=message.content, description=extras.description,
             target=extras.params.target_nickname if extras.params else None, roles=len(extras.visible_roles))

    @client.event
    async def on_donation(donation):
        extras = donation.extras
        tell(event="donation", recent=False, uid=donation.profile.user_id_hash if donation.profile else None,
             text=donation.content, kind=extras.donation_type, amount=extras.pay_amount, anonymous=extras.is_anonymous,
             mission=getattr(extras, "mission_text", None), status=getattr(extras, "status", None),
             ranks=len(extras.weekly_rank_list), members=donation.member_count)

    @client.event
    async def on_subscription(message):
        extras = message.extras
        tell(event="subscription", uid=message.profile.user_id_hash, text=message.content, months=extras.month,
             tier=extras.tier_no, tierName=extras.tier_name)

    @client.event
    async def on_subscription_gift(message):
        extras = message.extras
        tell(event="gift", kind=extras.gift_type, receiver=extras.receiver_user_id, quantity=extras.quantity,
             tier=extras.gift_tier_no)

    @client.event
    async def on_mission_pending(mission):
        tell(event="mission", status="PENDING", text=mission.mission_text, total=mission.total_pay_amount)

    @client.event
    async def on_mission_completed(mission):
        tell(event="mission", status="COMPLETED", text=mission.mission_text, total=mission.total_pay_amount)

    @client.event
    async def on_mission_update_cost(mission):
        tell(event="mission", status="SHARED", text=mission.mission_text, total=mission.total_pay_amount)

    @client.event
    async def on_client_error(error, *_):
        tell(event="client_error", error=repr(error))

    @client.event
    async def on_error(error, *_):
        tell(event="client_error", error=repr(error))

    async def connect(_):
        try:
            await client.connect()
        except ChatConnectFailed as error:
            tell(event="refused", error=str(error))

    async def send(command):
        await client.send_chat(command["text"])

    async def recent(command):
        lines = await client.history(command["count"])
        for message in lines:
            message._client = client
            tell(**told("recent", message, client))
        tell(event="reply", cmd=15101, code=0, lines=len(lines))

    async def status(command):
        try:
            status = await client.live_status(command["channel"])
        except NotFoundException:
            status = None
        if status is None:
            tell(event="status", cid=None)
            return
        tell(event="status", cid=status.chat_channel_id, status=status.status, playable=status.live_polling_status.playable_status,
             emojiMode=status.chatEmojiMode)

    async def detail(command):
        detail = await client.live_detail(command["channel"])
        tell(event="detail", title=detail.live_title, status=detail.status)

    async def user(_):
        user = await client.user()
        tell(event="user", uid=user.user_id_hash, nickname=user.nickname, loggedIn=user.logged_in)

    async def profile(command):
        profile = await client.profile_card(command["uid"])
        tell(event="profile", nickname=profile.nickname)

    def done(what, uid=None):
        tell(event="done", what=what, status=200, uid=uid)

    async def pin(command):
        await client.set_notice_message(lines[command["text"]])
        done("pin")

    async def unpin(_):
        await client.delete_notice_message()
        done("unpin")

    async def blind(command):
        await client.blind_message(lines[command["text"]])
        done("blind")

    async def penalize(command):
        answer = await client.temporary_restrict(command["uid"])
        done("penalize", answer.content.user_id_hash)

    def managed():
        return client.manage(asked["channel"])

    async def restrict(command):
        user = await managed().add_restrict(command["uid"], days=7, reason="spam")
        again = await managed().edit_restrict(command["uid"], days=30)
        listed = await managed().restrict()
        tell(event="restricted", days=[user.restrict_days, again.restrict_days], reason=user.memo, by=user.execute_nickname,
             listed=[entry.user_id_hash for entry in listed.data])
        done("restrict", user.user_id_hash)

    async def activity(command):
        counted = await managed().chat_activity_count(command["uid"])
        tell(event="activity", lines=counted.chat_message_count, penalized=counted.temporary_restrict,
             times=counted.temporary_restrict_count)

    async def release(command):
        await managed().remove_restrict(command["uid"])
        done("release")

    async def appoint(command):
        user = await managed().add_role(command["uid"], UserRole.chat_manager)
        done("appoint", user.user_id_hash)

    async def dismiss(command):
        await managed().remove_role(command["uid"])
        done("dismiss")

    # chzzkpy 2.2.0 asks for its words and then fails on the first one (it calls a method by another name than it has), so
    # what reads the list goes one floor lower, to its own requests and types.
    async def prohibited():
        manager = managed()
        return manager, (await manager._http.get_prohibit_words(asked["channel"])).content.prohibit_word_list

    async def words(_):
        _, known = await prohibited()
        tell(event="words", words=[[word.prohibit_word, word.nickname] for word in known])

    async def forbid(command):
        await managed()._http.add_prohibit_word(asked["channel"], command["word"])
        done("forbid")

    async def number(word):
        manager, known = await prohibited()
        return manager, next(entry.prohibit_word_no for entry in known if entry.prohibit_word == word)

    async def reword(command):
        manager, known = await number(command["word"])
        await manager._http.edit_prohibit_word(asked["channel"], known, command["other"])
        done("reword")

    async def allow(command):
        manager, known = await number(command["word"])
        await manager.remove_prohibit_word(known)
        done("allow")

    async def allow_all(_):
        await managed().remove_prohibit_words()
        done("allow_all")

    commands = dict(words=words, forbid=forbid, reword=reword, allow=allow, allow_all=allow_all, connect=connect, send=send, recent=recent, status=status, detail=detail, user=user, profile=profile,
                    pin=pin, unpin=unpin, blind=blind, penalize=penalize, restrict=restrict, activity=activity, release=release,
                    appoint=appoint, dismiss=dismiss)
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    tasks = []
    while line := await reader.readline():
        command = json.loads(line)
        if command["do"] == "quit":
            break
        task = asyncio.create_task(commands[command["do"]](command))
        # connect() returns when the connection ends; everything else is waited for, in order.
        if command["do"] == "connect":
            tasks.append(task)
        else:
            await task
    for task in tasks:
        if task.done():
            task.result()
        task.cancel()
    await client.close()


logging.basicConfig(level=logging.WARNING, stream=sys.stderr)
asyncio.run(main())
