// The pictures so far, kept in this browser's IndexedDB, and in memory where that is blocked.

const MOST = 200; // the oldest go first

export class History {
  static async open() {
    const history = new History();
    try {
      history.database = await new Promise((resolve, reject) => {
        const request = indexedDB.open('edge-s2i', 1);
        request.onupgradeneeded = () => request.result.createObjectStore('pictures', { keyPath: 'id' });
        request.onsuccess = () => resolve(request.result);
        request.onerror = () => reject(request.error);
      });
      history.items = await history.ask('readonly', (store) => store.getAll());
    } catch {
      history.database = null;
    }
    history.items.sort((one, other) => other.id - one.id);
    return history;
  }

  constructor() {
    this.database = null;
    this.items = []; // { id, png: Blob, name, confidence, style, seed }, newest first
  }

  /** Adds an item, or replaces the one of the same id. */
  async put(item) {
    const index = this.items.findIndex(({ id }) => id === item.id);
    if (index < 0) this.items.unshift(item);
    else this.items[index] = item;
    const gone = this.items.splice(MOST);
    await this.ask('readwrite', (store) => {
      gone.forEach(({ id }) => store.delete(id));
      return store.put(item);
    });
  }

  async delete(id) {
    this.items = this.items.filter((item) => item.id !== id);
    await this.ask('readwrite', (store) => store.delete(id));
  }

  async clear() {
    this.items = [];
    await this.ask('readwrite', (store) => store.clear());
  }

  ask(mode, work) {
    if (!this.database) return Promise.resolve([]);
    return new Promise((resolve, reject) => {
      const transaction = this.database.transaction('pictures', mode);
      const request = work(transaction.objectStore('pictures'));
      transaction.oncomplete = () => resolve(request.result);
      transaction.onerror = transaction.onabort = () => reject(transaction.error);
    });
  }
}
