//! Native face of Coracle: files, threads, sockets.

pub mod embed;
