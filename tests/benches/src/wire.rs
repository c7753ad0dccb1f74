//! Servers on loopback, over TLS where a contender shall meet it as it would meet AWS.
//!
//! A new authority is made for each run, and nobody but the contenders is told to trust it. TLS is that of rustls, 1.3, HTTP/1.1 over it,
//! a certificate with an ECDSA key on P-256. A handshake costs a contender what it costs, and not the way to a Region.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use axum::Router;
use axum::serve::Listener;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, KeyUsagePurpose};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::version::TLS13;
use tokio_rustls::server::TlsStream;

use crate::Error;

/// An authority of this run, and a server's certificate of it.
#[derive(Clone)]
pub struct Authority {
    acceptor: TlsAcceptor,
    pem: String,
}

impl Authority {
    /// A new one.
    ///
    /// # Errors
    /// When no keys can be made.
    pub fn new() -> Result<Self, Error> {
        let (issuer, certificate, key) = certificates().map_err(Error::unreadable("a new certificate"))?;
        let provider = Arc::new(ring::default_provider());
        let builder = ServerConfig::builder_with_provider(provider).with_protocol_versions(&[&TLS13]);
        let config = builder
            .and_then(|builder| builder.with_no_client_auth().with_single_cert(vec![certificate], key));
        let mut config = config.map_err(Error::unreadable("the configuration of TLS"))?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self { acceptor: TlsAcceptor::from(Arc::new(config)), pem: issuer })
    }

    /// The certificate of the authority.
    pub fn pem(&self) -> &str {
        &self.pem
    }
}

/// The authority's certificate, and one of it with its key for this machine.
fn certificates() -> Result<(String, CertificateDer<'static>, PrivateKeyDer<'static>), rcgen::Error> {
    let mut authority = CertificateParams::default();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    authority.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    authority.distinguished_name.push(DnType::CommonName, "benches");
    let issuer = CertifiedIssuer::self_signed(authority, KeyPair::generate()?)?;
    let key = KeyPair::generate()?;
    let certificate = CertificateParams::new(["127.0.0.1".to_owned()])?.signed_by(&key, &issuer)?;
    Ok((issuer.pem(), certificate.der().clone(), PrivateKeyDer::from(key)))
}

/// A server on a free port of 127.0.0.1. It ends when dropped.
pub struct Server {
    address: SocketAddr,
    scheme: &'static str,
    task: JoinHandle<()>,
}

impl Server {
    /// Serves this, over TLS if there is an authority for it.
    ///
    /// # Errors
    /// When there is no port.
    pub async fn start(router: Router, authority: Option<&Authority>) -> Result<Self, Error> {
        let no_port = || Error::io("open a port on 127.0.0.1");
        let listener = TcpListener::bind("127.0.0.1:0").await.map_err(no_port())?;
        let address = listener.local_addr().map_err(no_port())?;
        let task = match authority {
            None => tokio::spawn(serve(Plain(listener), router)),
            Some(authority) => {
                tokio::spawn(serve(Tls { listener, acceptor: authority.acceptor.clone() }, router))
            }
        };
        Ok(Self { address, scheme: if authority.is_some() { "https" } else { "http" }, task })
    }

    /// Host and port.
    pub fn address(&self) -> String {
        self.address.to_string()
    }

    /// Where to send requests.
    pub fn url(&self) -> String {
        format!("{}://{}", self.scheme, self.address)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve<L: Listener<Addr = SocketAddr>>(listener: L, router: Router) {
    // It ends by being aborted.
    drop(axum::serve(listener, router).await);
}

struct Plain(TcpListener);

impl Listener for Plain {
    type Io = TcpStream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (TcpStream, SocketAddr) {
        accept(&mut self.0).await
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }
}

struct Tls {
    listener: TcpListener,
    acceptor: TlsAcceptor,
}

impl Listener for Tls {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, SocketAddr) {
        loop {
            let (stream, address) = accept(&mut self.listener).await;
            match self.acceptor.accept(stream).await {
                Ok(stream) => return (stream, address),
                Err(error) => eprintln!("a contender's TLS handshake failed: {error}"),
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

/// The next connection, whose answers leave at once.
async fn accept(listener: &mut TcpListener) -> (TcpStream, SocketAddr) {
    let (stream, address) = Listener::accept(listener).await;
    if let Err(error) = stream.set_nodelay(true) {
        eprintln!("a connection waits before it sends: {error}");
    }
    (stream, address)
}

/// Writes the authority's certificate beside the public ones that are in `roots`, so that who reads the file has as much to read as on
/// Lambda.
///
/// # Errors
/// When a file cannot be read or written.
pub fn write_trust(authority: &Authority, roots: &Path, alone: &Path, bundle: &Path) -> Result<(), Error> {
    let public = std::fs::read_to_string(roots).map_err(Error::io(format!("read {}", roots.display())))?;
    let write = |path: &Path, text: &str| {
        std::fs::write(path, text).map_err(Error::io(format!("write {}", path.display())))
    };
    write(alone, authority.pem())?;
    write(bundle, &format!("{public}\n{}", authority.pem()))
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio_rustls::TlsConnector;
    use tokio_rustls::rustls::pki_types::pem::PemObject;
    use tokio_rustls::rustls::pki_types::{IpAddr, ServerName};
    use tokio_rustls::rustls::{ClientConfig, RootCertStore};

    use super::*;

    /// What the server answers to somebody who trusts this authority.
    async fn ask(server: &Server, trusted: &Authority) -> io::Result<String> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(trusted.pem().as_bytes()).unwrap()).unwrap();
        let provider = Arc::new(ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider).with_protocol_versions(&[&TLS13]).unwrap();
        let config = config.with_root_certificates(roots).with_no_client_auth();
        let stream = TcpStream::connect(server.address()).await?;
        let name = ServerName::IpAddress(IpAddr::try_from("127.0.0.1").unwrap());
        let mut stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await?;
        stream.write_all(b"GET / HTTP/1.1\r\nhost: here\r\nconnection: close\r\n\r\n").await?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await?;
        Ok(String::from_utf8_lossy(&answer).into_owned())
    }

    #[tokio::test]
    async fn only_who_trusts_the_authority_of_the_run_is_answered() {
        let (authority, other) = (Authority::new().unwrap(), Authority::new().unwrap());
        let router = Router::new().fallback(|| async { "here" });
        let server = Server::start(router, Some(&authority)).await.unwrap();
        assert!(server.url().starts_with("https://127.0.0.1:"));
        let error = ask(&server, &other).await.unwrap_err().to_string();
        assert!(error.contains("certificate"), "{error}");
        let answer = ask(&server, &authority).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("here"), "{answer}");
    }
}
