// A row of small pictures of which one is chosen: the four readings, and the styles. A radio group to the keyboard.

import { putPixels } from './picture-view.js';

export class Tiles {
  /** onChoose: called with the index of the tile that was chosen. */
  constructor(group, onChoose) {
    this.group = group;
    this.onChoose = onChoose;
    this.pictures = [];
    group.addEventListener('click', ({ target }) => this.choose(this.tiles.indexOf(target.closest('.tile'))));
    group.addEventListener('keydown', (event) => this.move(event));
  }

  get tiles() {
    return Array.from(this.group.children);
  }

  get chosen() {
    return this.tiles.findIndex((tile) => tile.getAttribute('aria-checked') === 'true');
  }

  /** Lays out tiles by the names that are read out for them; empty ones cannot be chosen. */
  set names(names) {
    this.pictures = names.map(() => null);
    this.group.replaceChildren(
      ...names.map((name) => {
        const tile = document.createElement('button');
        tile.className = 'tile';
        tile.disabled = true;
        tile.tabIndex = -1;
        tile.title = name;
        tile.setAttribute('role', 'radio');
        tile.setAttribute('aria-checked', 'false');
        tile.setAttribute('aria-label', name);
        tile.append(document.createElement('canvas'));
        return tile;
      }),
    );
  }

  /** Draws one tile. picture: { picture, size } as an engine sends it. */
  draw(index, { picture, size }) {
    const tile = this.tiles[index];
    if (!tile) return;
    this.pictures[index] = { picture, size };
    putPixels(tile.firstChild, picture, size);
    tile.classList.add('drawn');
    tile.disabled = false;
    if (this.chosen < 0 && index === 0) tile.tabIndex = 0;
  }

  /** Empties all tiles. */
  clear() {
    this.pictures.fill(null);
    for (const tile of this.tiles) {
      tile.classList.remove('drawn');
      tile.disabled = true;
    }
    this.mark(-1);
  }

  /** Marks a tile as the chosen one without telling anybody. */
  mark(chosen) {
    this.tiles.forEach((tile, index) => {
      tile.setAttribute('aria-checked', String(index === chosen));
      tile.tabIndex = index === Math.max(0, chosen) ? 0 : -1;
    });
  }

  choose(index) {
    if (index < 0 || this.tiles[index].disabled) return;
    this.mark(index);
    this.onChoose(index);
  }

  move(event) {
    const steps = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 };
    const step = steps[event.key];
    if (!step) return;
    event.preventDefault();
    const { tiles } = this;
    const now = Math.max(0, tiles.indexOf(document.activeElement));
    const next = (now + step + tiles.length) % tiles.length;
    if (tiles[next].disabled) return;
    tiles[next].focus();
    this.choose(next);
  }
}
