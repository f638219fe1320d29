//! Native face of Coracle: files, threads, sockets.
