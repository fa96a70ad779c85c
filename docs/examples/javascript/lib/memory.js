import { closeSync, existsSync, fsyncSync, openSync, readFileSync, renameSync, writeSync } from "node:fs";

/** What must outlive the process: a small JSON file, whole at every moment. A real system uses its database. */
export class Memory {
  #path;
  #kept;

  /** @param {string} path */
  constructor(path) {
    this.#path = path;
    this.#kept = existsSync(path) ? JSON.parse(readFileSync(path, "utf8")) : {};
  }

  /** @param {string} name */
  get(name) {
    return this.#kept[name];
  }

  /**
   * Keep a value; it is on disk when this returns.
   * @param {string} name
   * @param {unknown} value
   */
  set(name, value) {
    this.#kept[name] = value;
    const file = openSync(`${this.#path}.new`, "w", 0o600);
    try {
      writeSync(file, JSON.stringify(this.#kept, null, 2));
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
    renameSync(`${this.#path}.new`, this.#path);
  }

  /**
   * What was kept under a name, else what `make` makes of it now.
   * @template T
   * @param {string} name
   * @param {() => T} make
   * @returns {T}
   */
  once(name, make) {
    if (this.get(name) === undefined) this.set(name, make());
    return this.get(name);
  }
}
