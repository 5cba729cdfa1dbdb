/** The product and a browser, for all tests of a file. */

import { after, before } from 'node:test';
import { startBrowser } from './browser.mjs';
import { startProduct } from './product.mjs';

export let product;
export let browser;

before(async () => {
  product = await startProduct();
  browser = await startBrowser();
});

after(async () => {
  await browser?.stop();
  await product?.stop();
});
