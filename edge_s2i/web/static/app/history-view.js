// The window with the pictures so far.

import { save, share } from './keeping.js';

function tool(symbol, label, onClick) {
  const button = document.createElement('button');
  button.className = 'tool';
  button.setAttribute('aria-label', label);
  button.title = label;
  const svg = document.createElementNS('http://www.w3.org/2000/svg', 'svg');
  svg.setAttribute('aria-hidden', 'true');
  const use = document.createElementNS('http://www.w3.org/2000/svg', 'use');
  use.setAttribute('href', `#${symbol}`);
  svg.append(use);
  button.append(svg);
  button.addEventListener('click', onClick);
  return button;
}

export class HistoryView {
  /** elements: { dialog, list, empty, count, open, close, clear }; say: tells people what happened. */
  constructor(history, elements, say) {
    this.history = history;
    this.elements = elements;
    this.say = say;
    this.addresses = [];
    elements.open.addEventListener('click', () => {
      this.fill();
      elements.dialog.showModal();
    });
    elements.close.addEventListener('click', () => elements.dialog.close());
    elements.dialog.addEventListener('close', () => this.empty());
    elements.dialog.addEventListener('click', ({ target }) => target === elements.dialog && elements.dialog.close());
    elements.clear.addEventListener('click', async () => {
      await history.clear();
      this.fill();
      this.say('All pictures deleted');
    });
    this.counted();
  }

  counted() {
    const { count } = this.elements;
    count.hidden = this.history.items.length === 0;
    count.textContent = String(this.history.items.length);
  }

  empty() {
    this.addresses.forEach((address) => URL.revokeObjectURL(address));
    this.addresses = [];
    this.elements.list.replaceChildren();
  }

  fill() {
    this.empty();
    this.counted();
    const { list, empty, clear } = this.elements;
    empty.hidden = this.history.items.length > 0;
    clear.disabled = this.history.items.length === 0;
    list.replaceChildren(...this.history.items.map((item) => this.entry(item)));
  }

  entry(item) {
    const entry = document.createElement('li');
    const picture = document.createElement('img');
    const address = URL.createObjectURL(item.png);
    this.addresses.push(address);
    picture.src = address;
    picture.alt = item.name || 'Picture';
    const tools = document.createElement('div');
    const what = item.name ? ` (${item.name})` : '';
    tools.append(
      tool('i-save', `Save${what}`, () => save(item)),
      tool('i-share', `Share${what}`, async () => this.say(SHARED[await share(item)])),
      tool('i-delete', `Delete${what}`, async () => {
        await this.history.delete(item.id);
        this.fill();
      }),
    );
    entry.append(picture, tools);
    return entry;
  }
}

export const SHARED = { shared: 'Shared', cancelled: '', copied: 'Copied', saved: 'Saved' };
