//! Hosts that have nothing to do wait for the one that fits.
//!
//! SageMaker does not mind when a host ends before the others. The local mode of its SDK does: docker-compose stops all
//! containers as soon as one ends, and with it the host that is still fitting, which leaves a job without a model.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream, ToSocketAddrs};
use std::thread::{sleep, spawn};
use std::time::{Duration, Instant};

/// Where the fitting host is found by the others; they have a network of their own.
const PORT: u16 = 7777;

/// How long a host is looked for: names become known as containers start, and a network may let nothing through.
const LOOKED_FOR: Duration = Duration::from_secs(5);

/// How often the fitting host says that it is there.
const BEAT: Duration = Duration::from_secs(5);

/// After how long a silence it is taken for gone.
const SILENCE: Duration = Duration::from_secs(60);

/// How much later the others end, so that the exit code seen first is that of the host that has done the work.
const AFTERWARDS: Duration = Duration::from_secs(1);

/// Lets other hosts wait for this process; they notice its end, however it comes about.
///
/// Where the port is taken they do not wait, which harms nobody but the local mode.
pub(crate) fn let_others_wait() {
    if let Ok(listener) = TcpListener::bind(("0.0.0.0", PORT)) {
        spawn(move || beat(&listener));
    }
}

fn beat(listener: &TcpListener) {
    for mut other in listener.incoming().flatten() {
        spawn(move || {
            while other.write_all(b".").is_ok() {
                sleep(BEAT);
            }
        });
    }
}

/// Waits until the fitting host has ended. Whether it was found at all.
pub(crate) fn wait_for(host: &str) -> bool {
    let Some(mut fitting) = found(host, PORT) else { return false };
    let mut beats = [0; 16];
    // Its end is the end of the connection, or a silence.
    while fitting.read(&mut beats).is_ok_and(|n_bytes| n_bytes > 0) {}
    sleep(AFTERWARDS);
    true
}

fn found(host: &str, port: u16) -> Option<TcpStream> {
    let end = Instant::now() + LOOKED_FOR;
    while Instant::now() < end {
        let addresses = (host, port).to_socket_addrs().into_iter().flatten();
        let mut streams = addresses.map(|address| TcpStream::connect_timeout(&address, BEAT / 5));
        if let Some(stream) = streams.find_map(Result::ok) {
            return stream.set_read_timeout(Some(SILENCE)).is_ok().then_some(stream);
        }
        sleep(Duration::from_millis(100));
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_that_fits_is_heard_until_it_ends() {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        spawn(move || beat(&listener));
        let mut fitting = found("127.0.0.1", port).unwrap();
        let mut heard = [0; 1];
        fitting.read_exact(&mut heard).unwrap();
        assert_eq!(&heard, b".");
    }
}
