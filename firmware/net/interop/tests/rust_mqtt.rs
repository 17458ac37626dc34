//! The client of `rust-mqtt` against `mosquitto`.

use rust_mqtt::Bytes;
use rust_mqtt::buffer::AllocBuffer;
use rust_mqtt::client::Client;
use rust_mqtt::client::event::Event;
use rust_mqtt::client::options::{
    ConnectOptions, DisconnectOptions, PublicationOptions, SubscriptionOptions, TopicReference,
};
use rust_mqtt::types::{MqttString, TopicFilter, TopicName};
use tapboard_interop::{Board, HOST, host, isolated};

const TOOLS: &[(&str, &str)] =
    &[("mosquitto", "mosquitto"), ("mosquitto_sub", "mosquitto-clients")];

fn topic(name: &str) -> TopicName<'_> {
    TopicName::new(MqttString::from_str(name).expect("short")).expect("no wildcard")
}

#[test]
fn it_publishes_and_is_told() {
    isolated("it_publishes_and_is_told", TOOLS, || {
        let mut board = Board::up();
        let scratch = host::Scratch::new();
        let broker = host::mosquitto(&scratch, "192.0.2.2");
        let net = board.net();
        let large = "x".repeat(30_000);
        board.run(async {
            let stream = net.tcp_connect((HOST, 1883).into()).await.expect("a connection");
            let mut buffer = AllocBuffer;
            let mut client = Client::<'_, '_, _, _, 1, 1, 1, 1, 16, 0, 0>::new(&mut buffer);
            let name = MqttString::from_str("board").expect("short");
            let options = ConnectOptions::new().clean_start();
            client.connect(stream, &options, Some(name)).await.expect("a session");

            // Both sides know it: exactly once, and kept for who comes later.
            let from = TopicReference::Name(topic("from/board"));
            let options = PublicationOptions::new(from).exactly_once().retain();
            client.publish(&options, Bytes::from(large.as_bytes())).await.expect("a publication");
            while !matches!(client.poll().await.expect("an event"), Event::PublishComplete(_)) {}
            let told = host::work(|| {
                let arguments = ["-h", "192.0.2.2", "-t", "from/board", "-C", "1", "-W", "30"];
                host::output("mosquitto_sub", &arguments)
            });
            assert_eq!(told.await.trim_end(), large);

            let filter = TopicFilter::new(MqttString::from_str("to/#").expect("short"));
            let options = SubscriptionOptions::new().at_least_once();
            client.subscribe(filter.expect("a filter"), &options).await.expect("a subscription");
            while !matches!(client.poll().await.expect("an event"), Event::Suback(_)) {}
            let tells = host::work(|| {
                let arguments = ["-h", "192.0.2.2", "-t", "to/board", "-m", "hello", "-q", "1"];
                host::output("mosquitto_pub", &arguments)
            });
            match client.poll().await.expect("an event") {
                Event::Publish(publish) => assert_eq!(publish.message.as_ref(), b"hello"),
                event => panic!("{event:?}"),
            }
            tells.await;

            client.ping().await.expect("a ping");
            assert!(matches!(client.poll().await.expect("an event"), Event::Pingresp));
            client.disconnect(&DisconnectOptions::new()).await.expect("an end");
        });
        broker.prints("disconnected");
    });
}
