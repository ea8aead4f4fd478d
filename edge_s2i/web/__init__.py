"""The web page: speech becomes a picture in a browser, computed by this device or by the browser itself."""
