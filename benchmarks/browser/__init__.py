"""The load that is a real Chromium: a page measures, and the driver starts it and tells its figures.

``load`` is what questions name, ``__main__`` the driver, ``chromium`` the browser's process, ``desk`` what the page is
served by and talks to; ``page.html`` and ``page.js`` are the page.
"""
