"""Languages, colours, small screens; and the page of `naru serve`."""

import pytest

from harness.naru import logged
from harness.waiting import eventually


def talk(demo, alice, bob):
    """Something to look at: messages both ways, one missed, one gone."""
    alice.sign_in("alice")
    bob.sign_in("밥")
    alice.turn_to("밥")
    alice.write("안녕하세요! Are you there?")
    alice.messages(1, state="stored")
    bob.click("conversation-item", name="alice")
    bob.messages(1)
    bob.write("네, 여기 있습니다.")
    alice.messages(2)
    bob.switch("offline-switch", True)
    bob.see("connection-state", state="offline")
    alice.write("This one waits for you.")
    alice.messages(2, state="stored")
    alice.switch("plain-switch", True)
    demo.follows("밥", 0)
    alice.write("This one does not.")
    alice.messages(1, state="gone")
    bob.switch("offline-switch", False)
    bob.messages(1, missed="true")


def test_korean_and_english_each_to_whom_speaks_it_and_switched_at_will(demo, browser):
    alice, bob = browser.open(demo.urls[0], language="en-GB"), browser.open(demo.urls[1], language="ko-KR")
    talk(demo, alice, bob)
    assert "Go offline" in alice.do("texts", "label")
    assert "놓친 메시지 — 지금 도착" in bob.do("texts", "#messages")[0]
    assert "자리를 비우신 동안 온 메시지 1개" in bob.do("texts", "#messages")[0]
    assert "gone: nobody was listening" in alice.do("texts", "#messages")[0]
    assert alice.do("attributes", "html", name="lang") == ["en"]
    assert bob.do("attributes", "html", name="lang") == ["ko"]
    bob.picture("korean")
    alice.picture("english")

    bob.click("language")
    assert "missed — arrived now" in bob.do("texts", "#messages")[0]
    assert bob.do("attributes", "html", name="lang") == ["en"]
    alice.click("language")
    assert "사라짐: 듣고 있는 사람이 없었습니다" in alice.do("texts", "#messages")[0]
    alice.do("reload")
    alice.see("connection-state", state="online")
    assert alice.do("attributes", "html", name="lang") == ["ko"], "the choice is kept"


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_a_phone_shows_one_thing_at_a_time_without_scrolling_sideways(demo, browser, dark):
    alice = browser.open(demo.urls[0], width=390, height=780, dark=dark)
    bob = browser.open(demo.urls[1], language="ko-KR", width=360, height=640, dark=dark)
    shade = "dark" if dark else "light"
    bob.picture(f"phone-{shade}-sign-in")
    talk(demo, alice, bob)
    for window, name in ((alice, "alice"), (bob, "bob")):
        window.see_not("recipient")
        window.picture(f"phone-{shade}-talk-{name}")
        scrolled, shown = window.do("widths")
        assert scrolled <= shown
        window.click("back")
        window.see("recipient")
        window.picture(f"phone-{shade}-list-{name}")
        scrolled, shown = window.do("widths")
        assert scrolled <= shown
    bob.click("conversation-item", name="alice")
    bob.see("compose")


def test_a_window_in_the_dark(demo, browser):
    alice, bob = browser.open(demo.urls[0], dark=True), browser.open(demo.urls[1], dark=True)
    talk(demo, alice, bob)
    alice.picture("dark-alice")
    bob.picture("dark-bob")


def test_serve_takes_a_token_from_the_address_and_hides_it(naru, broker, browser):
    server = naru.joined_server(broker, name="server-7")
    window = browser.open(f"http://127.0.0.1:{server.port}/#token={naru.token('alice')}")
    window.see("connection-state", state="online")
    assert window.text("me") == "alice" and "server-7" in window.text("server-name")
    assert "token" not in window.do("address")


def test_serve_asks_for_a_token_and_says_what_is_wrong_with_a_bad_one(naru, broker, browser):
    server = naru.joined_server(broker)
    window = browser.open(f"http://127.0.0.1:{server.port}/")
    window.see("sign-in-token")
    window.see_not("sign-in-name")
    window.fill("sign-in-token", "nonsense")
    window.click("sign-in-button")
    eventually(lambda: "This is not a token" in window.text("sign-in-error"), "nothing is said")
    token = naru.token("alice")
    window.fill("sign-in-token", token[:-4] + ("aaaa" if not token.endswith("aaaa") else "bbbb"))
    window.click("sign-in-button")
    eventually(lambda: "did not accept" in window.text("sign-in-error"), "nothing is said")
    window.fill("sign-in-token", token)
    window.click("sign-in-button")
    window.see("connection-state", state="online")


def test_a_page_outlives_its_server_and_its_broker(naru, durable_broker, browser):
    servers = [naru.joined_server(durable_broker, name=f"server-{number}") for number in (1, 2)]
    alice, bob = (
        browser.open(f"http://127.0.0.1:{server.port}/#token={naru.token(user)}")
        for server, user in zip(servers, ("alice", "bob"))
    )
    for window, other in ((alice, "bob"), (bob, "alice")):
        window.see("connection-state", state="online")
        window.turn_to(other)
    servers[1].program.kill()
    bob.see("connection-state", state="connecting")
    alice.write("while bob's server is gone")
    alice.messages(1, state="stored")
    durable_broker.program.kill()
    alice.write("while the broker is gone")
    alice.see("message", state="sending")
    naru.restarted(durable_broker)
    alice.messages(2, state="stored")
    again = naru.server(durable_broker.url, name="server-2", port=servers[1].port)
    again.program.wait_for(lambda it: logged(it, "connected to the broker"), "the broker was not reached")
    bob.see("connection-state", state="online")
    assert bob.messages(2, missed="true") == ["while bob's server is gone", "while the broker is gone"]
