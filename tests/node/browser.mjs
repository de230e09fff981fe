// A browser and its windows. harness/browser.py gives the orders.

import { chromium } from 'playwright-core';
import { say, takeOrders } from './orders.mjs';

const LAUNCH = {
  executablePath: process.env.CHROMIUM,
  // Nothing goes out of this machine, and no sandbox within the one that tests run in.
  args: [
    '--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
    '--disable-component-update', '--disable-sync', '--disable-dev-shm-usage',
  ],
};
const PATIENCE_MS = 45_000;

const windows = new Map();
let browser;

async function open({ window: name, url, language, width, height, dark }) {
  browser ??= await chromium.launch(LAUNCH);
  const context = await browser.newContext({
    locale: language,
    viewport: { width, height },
    colorScheme: dark ? 'dark' : 'light',
    serviceWorkers: 'block',
  });
  context.setDefaultTimeout(PATIENCE_MS);
  const page = await context.newPage();
  page.on('pageerror', (error) => say({ window: name, event: 'error', text: String(error) }));
  page.on('console', (line) => {
    if (line.type() === 'error') say({ window: name, event: 'error', text: line.text() });
  });
  page.on('request', (request) => say({ window: name, event: 'request', text: request.url() }));
  windows.set(name, page);
  await page.goto(url);
}

async function carryOut(order) {
  if (order.do === 'open') return open(order);
  const page = windows.get(order.window);
  const found = order.selector && page.locator(order.selector);
  switch (order.do) {
    case 'go': return page.goto(order.url).then(() => null);
    case 'fill': return found.fill(order.text);
    case 'press': return found.press(order.key);
    case 'click': return found.click();
    case 'check': return found.setChecked(order.on, { force: true });
    case 'wait': return found.first().waitFor({ state: order.state ?? 'visible' });
    case 'count': return found.count();
    case 'texts': return found.allInnerTexts();
    case 'attributes': return found.evaluateAll((all, name) => all.map((it) => it.getAttribute(name)), order.name);
    case 'widths': return page.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
    case 'address': return page.url();
    case 'reload': return page.reload().then(() => null);
    case 'resize': return page.setViewportSize({ width: order.width, height: order.height });
    case 'picture': return page.screenshot({ path: order.path, animations: 'disabled' }).then(() => null);
    default: throw new Error(`what is ${order.do}?`);
  }
}

takeOrders(carryOut);
