import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { test } from 'node:test';
import en from '../../web/i18n/en.js';
import ko from '../../web/i18n/ko.js';

const web = new URL('../../web/', import.meta.url);
const forms = (text) => (typeof text === 'string' ? [text] : Object.values(text));
const places = (text) => [...new Set(forms(text).flatMap((form) => form.match(/\{\w+\}/g) ?? []))].sort();

test('both languages have the same texts with the same places to fill', () => {
  assert.deepEqual(Object.keys(ko), Object.keys(en));
  for (const key of Object.keys(en)) assert.deepEqual(places(ko[key]), places(en[key]), key);
});

test('every text that the page names exists', () => {
  const html = readFileSync(new URL('index.html', web), 'utf8');
  const named = [...html.matchAll(/data-(?:text|placeholder|label|title)="([^"]+)"/g)].map((match) => match[1]);
  assert.notEqual(named.length, 0);
  for (const file of readdirSync(web, { recursive: true }).filter((name) => name.endsWith('.js'))) {
    const source = readFileSync(new URL(file, web), 'utf8');
    for (const match of source.matchAll(/\bt\('([^']+)'/g)) named.push(match[1]);
  }
  for (const key of named) assert.ok(key in en, key);
});

test('nothing in the page runs or is styled inline, and nothing comes from elsewhere', () => {
  const html = readFileSync(new URL('index.html', web), 'utf8');
  assert.doesNotMatch(html, /<style|\sstyle=|\son\w+=|https?:/);
  assert.doesNotMatch(html, /<script(?![^>]*\ssrc=)/);
  for (const file of readdirSync(web, { recursive: true }).filter((name) => name.endsWith('.js'))) {
    assert.doesNotMatch(readFileSync(new URL(file, web), 'utf8'), /innerHTML|outerHTML|insertAdjacentHTML|\beval\(/, file);
  }
});
