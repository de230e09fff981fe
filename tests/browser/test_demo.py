"""The demo as a person sees it: two pages on two servers, one of them goes away."""

from harness.demo import Demo
from harness.resp import Wire


def test_the_whole_scene(demo, browser):
    alice, bob = browser.open(demo.urls[0]), browser.open(demo.urls[1])
    alice.picture("1-sign-in")
    alice.sign_in("alice")
    bob.sign_in("bob")
    assert "server-1" in alice.text("server-name") and "server-2" in bob.text("server-name")
    demo.shows(r"server-2 +online +bob is connected")

    # Client 1 writes to client 2, on the other server.
    alice.turn_to("bob")
    alice.write("hello bob")
    alice.see("message", state="stored")
    bob.see("conversation-item", name="alice", unread="1")
    bob.click("conversation-item", name="alice")
    assert bob.messages(1, state="received", missed="false") == ["hello bob"]
    demo.shows(r"server-1 +publish +alice → bob")
    demo.shows(r"broker +queue +#1 from alice is in bob's queue")
    demo.shows(r"route +bob is on server-2")
    demo.shows(r"server-2 +deliver +#1 from alice to bob")
    demo.shows(r"server-1 +stored +alice → bob: #1 is on disk")

    bob.write("hello alice")
    assert alice.messages(1, state="received") == ["hello alice"]
    alice.picture("2-online-alice")
    bob.picture("2-online-bob")

    # Client 2 goes offline; client 1 keeps writing.
    bob.switch("offline-switch", True)
    bob.see("connection-state", state="offline")
    demo.shows(r"offline +bob has gone")
    for number in range(1, 4):
        alice.write(f"missed {number}")
        alice.messages(number + 1, state="stored")
    demo.shows(r"wait +bob is away: it stays in the queue")
    assert bob.messages(2) == ["hello bob", "hello alice"]
    bob.picture("3-offline-bob")

    # Meanwhile it writes something too, which waits.
    bob.write("written while away")
    bob.see("message", state="waiting")
    assert alice.messages(1, state="received") == ["hello alice"]

    # It comes back: everything arrives, in order, once, marked as missed.
    bob.switch("offline-switch", False)
    bob.see("connection-state", state="online")
    assert bob.messages(3, missed="true") == ["missed 1", "missed 2", "missed 3"]
    demo.shows(r"resume +bob .*\d+ waited")
    demo.shows(r"deliver +#\d+ from alice to bob, who had missed it")
    assert alice.messages(2, state="received") == ["hello alice", "written while away"]
    assert bob.messages(2, state="stored") == ["hello alice", "written while away"]
    assert any("3 messages waited for you while you were away" in text for text in bob.do("texts", "#messages"))
    assert "missed — arrived now" in bob.do("texts", "#messages")[0]
    bob.picture("4-back-bob")
    alice.picture("4-back-alice")


def test_plain_pub_sub_to_someone_who_is_away_is_gone_and_both_are_told(demo, browser):
    alice, bob = browser.open(demo.urls[0]), browser.open(demo.urls[1])
    alice.sign_in("alice")
    bob.sign_in("bob")
    alice.turn_to("bob")
    bob.turn_to("alice")
    alice.switch("plain-switch", True)
    demo.follows("bob", 1)
    alice.write("heard")
    assert alice.messages(1, state="live") == ["heard"]
    assert bob.messages(1, state="live") == ["heard"]
    demo.shows(r"live +public:to:bob: plain pub/sub, heard by 1 server")

    bob.switch("offline-switch", True)
    bob.see("connection-state", state="offline")
    demo.shows(r"offline +bob has gone")
    demo.follows("bob", 0)
    alice.write("lost")
    assert alice.messages(1, state="gone") == ["lost"]
    assert "gone: nobody was listening" in alice.do("texts", "#messages")[0]
    demo.shows(r"gone +public:to:bob: nobody was listening")
    alice.switch("plain-switch", False)
    alice.write("kept")
    alice.messages(1, state="stored")
    alice.picture("5-plain-alice")

    bob.switch("offline-switch", False)
    assert bob.messages(1, missed="true") == ["kept"]
    assert bob.messages(2) == ["heard", "kept"]
    bob.picture("5-plain-bob")


def test_redis_cli_can_speak_to_a_page(demo, browser):
    bob = browser.open(demo.urls[1])
    bob.sign_in("bob")
    demo.follows("bob", 1)
    with Wire(demo.broker_port) as wire:
        assert wire.call("PUBLISH", "public:to:bob", '{"from":"redis","text":"from the prompt"}') == 1
    bob.see("conversation-item", name="redis", unread="1")
    bob.click("conversation-item", name="redis")
    assert bob.messages(1, state="live") == ["from the prompt"]


def test_what_was_written_offline_outlives_a_reload(demo, browser):
    alice, bob = browser.open(demo.urls[0]), browser.open(demo.urls[1])
    alice.sign_in("alice")
    bob.sign_in("bob")
    bob.turn_to("alice")
    bob.switch("offline-switch", True)
    bob.see("connection-state", state="offline")
    bob.write("before the reload")
    bob.see("message", state="waiting")
    bob.do("reload")
    bob.see("connection-state", state="online")
    assert bob.messages(1, state="stored") == ["before the reload"]
    alice.turn_to("bob")
    assert alice.messages(1) == ["before the reload"]
    alice.do("reload")
    assert alice.messages(1) == ["before the reload"]


def test_bob_comes_back_on_the_other_server(demo, browser):
    alice, bob = browser.open(demo.urls[0]), browser.open(demo.urls[1])
    alice.sign_in("alice")
    bob.sign_in("bob")
    bob.do("go", url="about:blank")
    demo.shows(r"offline +bob has gone")
    alice.turn_to("bob")
    for number in range(3):
        alice.write(f"message {number}")
    alice.messages(3, state="stored")
    other = browser.open(demo.urls[0])
    other.sign_in("bob")
    assert "server-1" in other.text("server-name")
    other.click("conversation-item", name="alice")
    assert other.messages(3, missed="true") == ["message 0", "message 1", "message 2"]


def test_names_and_texts_are_only_text(demo, browser):
    alice, bob = browser.open(demo.urls[0]), browser.open(demo.urls[1])
    name, text = '<img src=x onerror="alert(1)">', "<script>alert(1)</script>\n**bold** &amp; 나루 🚣 \u202e"
    alice.sign_in(name)
    bob.sign_in("bob")
    assert alice.text("me") == name
    alice.turn_to("bob")
    alice.write(text)
    alice.see("message", state="stored")
    bob.turn_to(name)
    assert [it.split() for it in bob.messages(1)] == [text.split()]


def test_a_second_demo_takes_the_next_ports_and_says_so(demo, programs, browser):
    second = Demo(programs)
    assert set(second.urls).isdisjoint(demo.urls) and second.broker_port != demo.broker_port
    second.shows(r"Port \d+ is taken; server-1 uses \d+ instead")
    browser.open(second.urls[0]).sign_in("alice")
    assert second.program.terminate() == 0
    assert demo.program.terminate() == 0
