"""From a stream's declaration to judged raw rows: request, paging, pace, retry, client, walk.

Only `client` opens sockets. Imports the nouns and the errors, no other stage.
"""
