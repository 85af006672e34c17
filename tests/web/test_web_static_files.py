"""What of the page's own files is sent."""

import re

from web.static_files import FOLDER, without_comments


def test_comments_are_not_sent_and_lines_stay_where_they_are() -> None:
    script = b"""// What it is.
import { a } from "./a.js"; // https://a/

/**
 * Types. * / **
 * @param {string} one
 */
export function f(one) {
  /** @type {number} */
  const two = /** @type {any} */ (a);
  // Why.
  return `${one} // no comment`;
}
"""
    assert (
        without_comments(script)
        == b"""
import { a } from "./a.js"; // https://a/





export function f(one) {

  const two = /** @type {any} */ (a);

  return `${one} // no comment`;
}
"""
    )


def test_no_text_of_ours_looks_like_a_comment() -> None:
    for path in FOLDER.glob("*.js"):
        in_text = False
        for number, line in enumerate(path.read_text().splitlines(), 1):
            begins = line.lstrip().startswith(("//", "/*"))
            assert not (begins and in_text), f"{path.name}:{number}"
            if not begins and re.sub('"[^"]*"', "", line).count("`") % 2:
                in_text = not in_text
