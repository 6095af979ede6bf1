"""One lead's story, from the first touch to the message and what came of it, for ``baton explain``.

Everything is read from the published copy, about one query per room; nothing is judged here. Two
things are done again, so that whoever asks sees that they could not have gone otherwise: the draw
of the owner (``owners``) and the counting of the first-touch clock (``clocks``).
"""

from flows.story.reading import read_story
from flows.story.telling import story_lines

__all__ = ["read_story", "story_lines"]
