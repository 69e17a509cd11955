//! Behind real proxies, with the time-outs that they usually have: nginx 60 s, haproxy 50 s.

use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::{TempDir, tempdir};

use crate::support::process::{Gateway, Raw, connect_from, exchange, until};
use crate::support::yard::line;

/// A proxy that runs until it is dropped.
struct Proxy {
    child: Child,
    address: String,
    _folder: TempDir,
}

impl Proxy {
    /// Starts a program with this configuration, in which `PORT` stands for the port it listens on.
    fn start(program: &str, arguments: &[&str], configuration: &str) -> Self {
        let folder = tempdir().unwrap();
        let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let file = folder.path().join("proxy.conf");
        let text =
            configuration.replace("PORT", &free.port().to_string()).replace("DIR", folder.path().to_str().unwrap());
        std::fs::write(&file, text).unwrap();
        let mut command = Command::new(find(program));
        let child = command.args(arguments).arg(&file).stdout(Stdio::null()).spawn().expect("the proxy is installed");
        let proxy = Self { child, address: free.to_string(), _folder: folder };
        until("the proxy starts", || std::net::TcpStream::connect(&proxy.address).is_ok());
        proxy
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let _ = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status();
        let _ = self.child.wait();
    }
}

/// Debian keeps these where only root looks.
fn find(program: &str) -> String {
    let places = ["/usr/sbin", "/usr/local/sbin", "/usr/bin", "/usr/local/bin"];
    let found = places.iter().map(|place| format!("{place}/{program}")).find(|path| Path::new(path).exists());
    found.unwrap_or_else(|| panic!("{program} is not installed: make test installs it"))
}

/// As the README has it, under a path of the site.
fn nginx(gateway: &Gateway) -> Proxy {
    let configuration = format!(
        "daemon off; pid DIR/pid; error_log DIR/error.log;
         events {{}}
         http {{
           access_log off;
           client_body_temp_path DIR/body; proxy_temp_path DIR/proxy; fastcgi_temp_path DIR/f;
           uwsgi_temp_path DIR/u; scgi_temp_path DIR/s;
           server {{
             listen 127.0.0.1:PORT;
             location /live/ {{
               proxy_pass http://{0};
               proxy_http_version 1.1;
               proxy_set_header Upgrade $http_upgrade;
               proxy_set_header Connection \"upgrade\";
               proxy_set_header Host $http_host;
               proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
             }}
           }}
         }}",
        gateway.address
    );
    Proxy::start("nginx", &["-e", "stderr", "-c"], &configuration)
}

/// As most of its examples have it, with a PROXY header.
fn haproxy(gateway: &Gateway) -> Proxy {
    let configuration = format!(
        "defaults
           mode http
           timeout connect 5s
           timeout client 50s
           timeout server 50s
         frontend f
           bind 127.0.0.1:PORT
           default_backend b
         backend b
           server s {} send-proxy-v2\n",
        gateway.address
    );
    Proxy::start("haproxy", &["-f"], &configuration)
}

fn gateway(data: &Path) -> Gateway {
    let settings = [
        ("MADANG_PATH_PREFIX", "/live"),
        ("MADANG_TRUSTED_PROXIES", "['127.0.0.1']"),
        ("MADANG_LIMITS__CONNECTIONS_PER_ADDRESS", "3"),
        ("MADANG_AUTH__GUESTS", "true"),
    ];
    let gateway = Gateway::start(data, &[], &settings);
    gateway.site("POST", "/v1/channels", r#"{"channelId":"c","name":"n"}"#);
    gateway
}

fn connect(proxy: &Proxy, cid: &Value, token: Option<&Value>) -> (Raw, Value) {
    // From an address that isn't a proxy's.
    let stream = connect_from(Ipv4Addr::new(127, 0, 0, 2), &proxy.address).unwrap();
    let mut raw = Raw::begin(stream, &proxy.address, "/live/chat", &[]);
    let auth = if token.is_some() { "SEND" } else { "READ" };
    raw.text(&json!({"cmd": 100, "cid": cid, "bdy": {"auth": auth, "accTkn": token}}).to_string());
    let answer = raw.hears(10100);
    (raw, answer)
}

/// What has to hold behind any proxy.
fn chat_works_behind(proxy: &Proxy, gateway: &Gateway) {
    let (_, broadcast) = gateway.site("POST", "/v1/channels/c/broadcasts", r#"{"title":"on"}"#);
    let cid = &broadcast["cid"];
    let path = format!("/live/nng_main/v1/chats/access-token?channelId={}&chatType=STREAMING", cid.as_str().unwrap());
    let (head, body) = exchange(&proxy.address, "GET", &path, &[], "");
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    let token = serde_json::from_str::<Value>(&body).unwrap()["content"]["accessToken"].clone();
    let (mut reader, joined) = connect(proxy, cid, None);
    assert_eq!(joined["retCode"], 0);
    let (mut sender, joined) = connect(proxy, cid, Some(&token));
    assert_eq!(joined["bdy"]["auth"], "SEND");
    let mut says = |text: &str, sender: &mut Raw| {
        sender.text(&line(cid.as_str().unwrap(), text, false).to_string());
        assert_eq!(sender.hears(13101)["retCode"], 0);
        assert_eq!(reader.hears(93101)["bdy"][0]["msg"], text);
    };
    says("before", &mut sender);
    // Nobody says anything for longer than either proxy waits; the gateway's pings keep the connections.
    std::thread::sleep(Duration::from_secs(65));
    says("after a minute of silence", &mut sender);

    let (third, joined) = connect(proxy, cid, None);
    assert_eq!(joined["retCode"], 0);
    let (mut fourth, refused) = connect(proxy, cid, None);
    assert_eq!(refused["retCode"], 429, "counted by the address behind the proxy");
    assert_eq!(fourth.hears_close().0, 1013);
    drop(third);
    let (status, _) = exchange(&proxy.address, "GET", "/v1/channels", &[], "");
    assert!(status.starts_with("HTTP/1.1 404"), "the API is not public: {status}");
}

#[test]
#[ignore = "needs nginx; make test installs it"]
fn behind_nginx_under_a_path_with_its_usual_time_outs() {
    let data = tempdir().unwrap();
    let gateway = gateway(data.path());
    chat_works_behind(&nginx(&gateway), &gateway);
}

#[test]
#[ignore = "needs haproxy; make test installs it"]
fn behind_haproxy_with_a_proxy_header_and_its_usual_time_outs() {
    let data = tempdir().unwrap();
    let gateway = gateway(data.path());
    chat_works_behind(&haproxy(&gateway), &gateway);
}
