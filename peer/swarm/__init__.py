"""Trading pieces with other peers: links, downloads, serving, and the offers that keep copies."""
