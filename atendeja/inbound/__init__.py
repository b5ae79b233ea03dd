"""The way in: a webhook is stored (`intake`), then digested into events (`digest`). A 200 means stored: nothing is lost after."""
