// The window that says what hears and draws here.

export class AboutView {
  /** elements: { dialog, list, open, close }; facts: gives pairs of a term and what is to be said of it. */
  constructor(elements, facts) {
    this.elements = elements;
    this.facts = facts;
    const { dialog, open, close } = elements;
    open.addEventListener('click', () => {
      this.fill();
      dialog.showModal();
    });
    close.addEventListener('click', () => dialog.close());
    dialog.addEventListener('click', ({ target }) => target === dialog && dialog.close());
  }

  /** The facts changed. */
  refresh() {
    if (this.elements.dialog.open) this.fill();
  }

  fill() {
    const written = (name, text) => Object.assign(document.createElement(name), { textContent: text });
    const rows = this.facts().flatMap(([term, text]) => [written('dt', term), written('dd', text)]);
    this.elements.list.replaceChildren(...rows);
  }
}
