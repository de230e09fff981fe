// Wiring: finds out where it is, signs the user in, and hands over to the chat.

import { Chat } from './chat/chat.js';
import { userNameProblem } from './chat/user-name.js';
import { INVALID_TOKEN, TOKEN_EXPIRED } from './client/codes.js';
import { onLanguage } from './i18n/language.js';
import { readTab, writeTab } from './shell/memory.js';
import { setUpTheme } from './shell/theme.js';
import { SignInCard } from './sign-in/card.js';
import { demoToken, describeServer } from './sign-in/server.js';
import { userOf } from './sign-in/token.js';
import { Composer } from './view/composer.js';
import { drawGuide } from './view/guide.js';
import { Messages } from './view/messages.js';
import { setUpTexts } from './view/page-texts.js';
import { People } from './view/people.js';
import { Status } from './view/status.js';
import { Talk } from './view/talk.js';

const SIGNED_IN = 'signed-in';
const find = (id) => document.getElementById(id);

setUpTexts(find('language'));
setUpTheme(find('theme'));

let server = null;
let chat = null;

const card = new SignInCard((entered) => (server.demo ? signInByName(entered) : signInByToken(entered)));
const views = {
  status: new Status({
    onOffline: (wanted) => chat?.setOffline(wanted),
    onSignOut: () => signOut(),
    onSignInAgain: () => signOut(server.demo ? readTab(SIGNED_IN)?.user : ''),
  }),
  people: new People((name, { focus }) => {
    chat?.open(name);
    if (focus) views.composer.focus();
  }),
  messages: new Messages(find('messages'), find('scroll')),
  composer: new Composer((text, mode) => chat?.send(text, mode)),
  talk: new Talk({ onBack: () => chat?.open(null), onEarlier: () => chat?.showEarlier() }),
};

start();

async function start() {
  const offered = takeTokenFromAddress();
  server = await describeServer(() => {
    card.show();
    card.say('signIn.noServer');
  });
  const others = server.peers.filter((peer) => peer.server !== server.server);
  views.status.setServer(server.server, server.peers);
  onLanguage(() => {
    drawGuide(find('guide'), others);
    chat?.redrawAll();
  });
  card.say(null);
  card.setServer(server);

  const before = readTab(SIGNED_IN);
  if (offered) signInByToken(offered);
  else if (before) server.demo ? signInByName(before.user) : signInByToken(before.token);
  else card.show();
}

/** Takes `#token=…` out of the address, so that it is neither seen nor bookmarked. */
function takeTokenFromAddress() {
  const token = new URLSearchParams(location.hash.slice(1)).get('token');
  if (token) history.replaceState(null, '', location.pathname + location.search);
  return token;
}

async function signInByName(name) {
  card.show(name);
  const problem = userNameProblem(name);
  if (problem) return card.say(`name.${problem}`);
  card.setBusy();
  let token;
  try {
    token = await demoToken(name);
  } catch (error) {
    return error.refusal ? card.say('signIn.failed', { reason: error.refusal }) : card.say('signIn.noServer');
  }
  begin(name, token, () => demoToken(name));
}

function signInByToken(token) {
  let user;
  try {
    user = userOf(token);
  } catch (error) {
    card.show();
    return card.say(`signIn.${error.problem}`);
  }
  begin(user, token, async () => null);
}

function begin(me, token, freshToken) {
  chat?.stop();
  writeTab(SIGNED_IN, { user: me, token });
  views.status.setUser(me);
  card.hide();
  find('chat').hidden = false;
  chat = new Chat({ me, token, freshToken, views, onRefused: ({ code, reason }) => refused(me, code, reason) });
  chat.start();
}

function refused(me, code, reason) {
  signOut(server.demo ? me : '');
  if (code === INVALID_TOKEN) card.say('signIn.refused');
  else if (code === TOKEN_EXPIRED) card.say('signIn.expired');
  else card.say('signIn.failed', { reason: reason || code });
}

function signOut(entered = '') {
  chat?.stop();
  chat = null;
  writeTab(SIGNED_IN, null);
  views.status.setUser(null);
  views.composer.reset();
  views.messages.clear();
  find('chat').hidden = true;
  card.show(entered);
}
