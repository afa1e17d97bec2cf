// Fields that get their value after the constructor.

/**
 * In place of a value that is there before anybody reads it: the first payload brings it, or the page that inherits.
 *
 * @template T
 * @returns {T}
 */
export const later = () => /** @type {T} */ (/** @type {unknown} */ (null));
