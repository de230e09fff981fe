// The API's library for JavaScript, unmodified. tests/server-api/test_cent_js.py gives the orders.

import cent from 'cent.js';
import { takeOrders } from './orders.mjs';

const { CentClient } = cent;
let api;

takeOrders(async ({ do: what, url, key, params, commands }) => {
  switch (what) {
    case 'open': api = new CentClient({ url, apiKey: key }); return null;
    case 'pipeline': return api.pipeline(commands);
    default: return api[what](params);
  }
});
