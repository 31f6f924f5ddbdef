import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.cloudevents.CloudEvent;
import io.cloudevents.core.message.Encoding;
import io.cloudevents.core.provider.EventFormatProvider;
import io.cloudevents.jackson.JsonFormat;
import io.cloudevents.kafka.CloudEventDeserializer;
import io.cloudevents.kafka.CloudEventSerializer;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.Future;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;
import org.apache.kafka.common.utils.Utils;

/**
 * The platform's own client, as its services use it: Java, the CloudEvents SDK, ADR-005's producer settings.
 *
 * <pre>
 * write BROKERS TOPIC structured|binary COMPRESSION   JSON CloudEvents, a line each, from standard input;
 *                                                     prints PARTITION:OFFSET each
 * read BROKERS TOPIC                                  every event up to the end as read by the SDK, a line each
 * partitions COUNT                                    keys from standard input; the partition of each
 * </pre>
 */
public final class Interop {
    private static final ObjectMapper JSON = new ObjectMapper();

    public static void main(String[] arguments) throws Exception {
        switch (arguments[0]) {
            case "write" -> write(arguments[1], arguments[2], Encoding.valueOf(arguments[3].toUpperCase()), arguments[4]);
            case "read" -> read(arguments[1], arguments[2]);
            case "partitions" -> partitions(Integer.parseInt(arguments[1]));
            default -> throw new IllegalArgumentException("unknown mode " + arguments[0]);
        }
    }

    private static void write(String brokers, String topic, Encoding encoding, String compression) throws Exception {
        Map<String, Object> settings = new HashMap<>();
        settings.put("bootstrap.servers", brokers);
        settings.put("key.serializer", StringSerializer.class);
        settings.put("value.serializer", CloudEventSerializer.class);
        settings.put(CloudEventSerializer.ENCODING_CONFIG, encoding);
        if (encoding == Encoding.STRUCTURED) {
            settings.put(CloudEventSerializer.EVENT_FORMAT_CONFIG, JsonFormat.CONTENT_TYPE);
        }
        settings.put("acks", "all");
        settings.put("enable.idempotence", true);
        settings.put("retries", Integer.MAX_VALUE);
        settings.put("compression.type", compression);
        settings.put("linger.ms", 10);
        settings.put("batch.size", 16384);
        settings.put("buffer.memory", 33554432L);
        settings.put("request.timeout.ms", 30000);
        settings.put("delivery.timeout.ms", 120000);
        JsonFormat format = (JsonFormat) EventFormatProvider.getInstance().resolveFormat(JsonFormat.CONTENT_TYPE);
        List<Future<RecordMetadata>> sent = new ArrayList<>();
        try (KafkaProducer<String, CloudEvent> producer = new KafkaProducer<>(settings)) {
            BufferedReader lines = input();
            for (String line = lines.readLine(); line != null; line = lines.readLine()) {
                CloudEvent event = format.deserialize(line.getBytes(StandardCharsets.UTF_8));
                // No partition: the client's own partitioner chooses it by the key.
                sent.add(producer.send(new ProducerRecord<>(topic, event.getSubject(), event)));
            }
            StringBuilder positions = new StringBuilder();
            for (Future<RecordMetadata> one : sent) {
                RecordMetadata at = one.get();
                positions.append(at.partition()).append(':').append(at.offset()).append('\n');
            }
            System.out.print(positions);
        }
    }

    private static void read(String brokers, String topic) throws Exception {
        Properties settings = new Properties();
        settings.put("bootstrap.servers", brokers);
        settings.put("key.deserializer", StringDeserializer.class);
        settings.put("value.deserializer", CloudEventDeserializer.class);
        settings.put("isolation.level", "read_committed");
        settings.put("enable.auto.commit", "false");
        settings.put("auto.offset.reset", "none");
        try (KafkaConsumer<String, CloudEvent> consumer = new KafkaConsumer<>(settings)) {
            List<TopicPartition> all = new ArrayList<>();
            consumer.partitionsFor(topic).forEach(p -> all.add(new TopicPartition(topic, p.partition())));
            consumer.assign(all);
            consumer.seekToBeginning(all);
            Map<TopicPartition, Long> ends = consumer.endOffsets(all);
            StringBuilder out = new StringBuilder();
            long deadline = System.nanoTime() + Duration.ofSeconds(60).toNanos();
            while (all.stream().anyMatch(p -> consumer.position(p) < ends.get(p))) {
                if (System.nanoTime() > deadline) {
                    throw new IllegalStateException("the end was not reached in 60 s");
                }
                consumer.poll(Duration.ofMillis(200)).forEach(record -> {
                    CloudEvent event = record.value();
                    ObjectNode node = JSON.createObjectNode();
                    node.put("position", record.partition() + ":" + record.offset());
                    node.put("key", record.key());
                    node.put("id", event.getId());
                    node.put("source", event.getSource().toString());
                    node.put("type", event.getType());
                    node.put("subject", event.getSubject());
                    node.put("time", event.getTime() == null ? null : event.getTime().toInstant().toString());
                    node.put("datacontenttype", event.getDataContentType());
                    ObjectNode extensions = node.putObject("extensions");
                    event.getExtensionNames().stream().sorted()
                        .forEach(name -> extensions.put(name, String.valueOf(event.getExtension(name))));
                    node.put("data", event.getData() == null ? null
                        : new String(event.getData().toBytes(), StandardCharsets.UTF_8));
                    out.append(node).append('\n');
                });
            }
            System.out.print(out);
        }
    }

    private static void partitions(int count) throws Exception {
        StringBuilder out = new StringBuilder();
        BufferedReader lines = input();
        for (String key = lines.readLine(); key != null; key = lines.readLine()) {
            byte[] bytes = key.getBytes(StandardCharsets.UTF_8);
            out.append(Utils.toPositive(Utils.murmur2(bytes)) % count).append('\n');
        }
        System.out.print(out);
    }

    private static BufferedReader input() {
        return new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    }
}
