package peers;

import java.nio.file.Path;
import java.time.Duration;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicLong;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.clients.producer.ProducerConfig;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.Deserializer;
import org.apache.kafka.common.serialization.Serde;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.common.serialization.Serializer;
import org.apache.kafka.common.utils.Bytes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.Grouped;
import org.apache.kafka.streams.kstream.Materialized;
import org.apache.kafka.streams.processor.StateRestoreListener;
import org.apache.kafka.streams.state.KeyValueStore;
import org.apache.kafka.streams.state.RocksDBConfigSetter;
import org.rocksdb.CompressionType;
import org.rocksdb.Options;

/**
 * Kafka Streams: a per-SKU aggregate in its RocksDB store, with its changelog.
 *
 * <p>Arguments: default|best|restore, servers, topic, events, state directory, application id. `restore` starts
 * the same application again with its state directory gone, and measures from the first store that begins to be
 * restored until all are.
 */
public final class StreamsPeer {
    private static final AtomicLong SEEN = new AtomicLong();

    public static void main(String[] args) throws Exception {
        String how = args[0];
        long events = Long.parseLong(args[3]);
        Properties properties = new Properties();
        properties.put(StreamsConfig.APPLICATION_ID_CONFIG, args[5]);
        properties.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, args[1]);
        properties.put(StreamsConfig.STATE_DIR_CONFIG, Path.of(args[4]).toString());
        properties.put(ConsumerConfig.AUTO_OFFSET_RESET_CONFIG, "earliest");
        if (!how.equals("default")) {
            best(properties);
        }

        Serde<Stock> serde = Serdes.serdeFrom(
            (Serializer<Stock>) (topic, stock) -> stock == null ? null : stock.bytes(),
            (Deserializer<Stock>) (topic, bytes) -> bytes == null ? null : Stock.of(bytes));
        CountDownLatch done = new CountDownLatch(1);
        StreamsBuilder builder = new StreamsBuilder();
        builder.stream(args[2], Consumed.with(Serdes.String(), Serdes.ByteArray()))
            .groupByKey(Grouped.with(Serdes.String(), Serdes.ByteArray()))
            .aggregate(
                Stock::new,
                (sku, event, stock) -> {
                    Stock after = stock.apply(event);
                    if (SEEN.incrementAndGet() == events) {
                        done.countDown();
                    }
                    return after;
                },
                Materialized.<String, Stock, KeyValueStore<Bytes, byte[]>>as("stock")
                    .withKeySerde(Serdes.String())
                    .withValueSerde(serde));

        KafkaStreams streams = new KafkaStreams(builder.build(), properties);
        Restored restored = new Restored();
        streams.setGlobalStateRestoreListener(restored);
        Figures figures = new Figures();
        streams.start();
        if (how.equals("restore")) {
            restored.await(streams).print(restored.records.get());
        } else {
            done.await();
            figures.print(events);
        }
        // Commits, so that a later restore finds its place.
        streams.close(Duration.ofSeconds(60));
        System.exit(0);
    }

    /** What its documentation and a few runs suggest for throughput. */
    private static void best(Properties properties) {
        properties.put(StreamsConfig.NUM_STREAM_THREADS_CONFIG, Runtime.getRuntime().availableProcessors());
        properties.put(StreamsConfig.STATESTORE_CACHE_MAX_BYTES_CONFIG, 512L << 20);
        properties.put(StreamsConfig.COMMIT_INTERVAL_MS_CONFIG, 30_000);
        properties.put(StreamsConfig.ROCKSDB_CONFIG_SETTER_CLASS_CONFIG, LargeBuffers.class);
        properties.put(ConsumerConfig.MAX_POLL_RECORDS_CONFIG, 20_000);
        properties.put(ConsumerConfig.FETCH_MAX_BYTES_CONFIG, 64 << 20);
        properties.put(ConsumerConfig.MAX_PARTITION_FETCH_BYTES_CONFIG, 8 << 20);
        properties.put(StreamsConfig.BUFFERED_RECORDS_PER_PARTITION_CONFIG, 10_000);
        properties.put(StreamsConfig.producerPrefix(ProducerConfig.LINGER_MS_CONFIG), 100);
        properties.put(StreamsConfig.producerPrefix(ProducerConfig.BATCH_SIZE_CONFIG), 512 << 10);
        properties.put(StreamsConfig.producerPrefix(ProducerConfig.COMPRESSION_TYPE_CONFIG), "lz4");
    }

    public static final class LargeBuffers implements RocksDBConfigSetter {
        @Override
        public void setConfig(String store, Options options, Map<String, Object> configs) {
            options.setWriteBufferSize(64 << 20);
            options.setMaxWriteBufferNumber(3);
            options.setCompressionType(CompressionType.LZ4_COMPRESSION);
        }

        @Override
        public void close(String store, Options options) {}
    }

    /** Counts what is restored; over once no store is being restored and the application runs. */
    private static final class Restored implements StateRestoreListener {
        final AtomicLong records = new AtomicLong();
        private final AtomicLong under = new AtomicLong();
        private volatile Figures figures;

        @Override
        public synchronized void onRestoreStart(TopicPartition partition, String store, long from, long to) {
            if (figures == null) {
                figures = new Figures();
            }
            under.incrementAndGet();
        }

        @Override
        public void onBatchRestored(TopicPartition partition, String store, long end, long count) {
            records.addAndGet(count);
        }

        @Override
        public void onRestoreEnd(TopicPartition partition, String store, long total) {
            under.decrementAndGet();
        }

        Figures await(KafkaStreams streams) throws InterruptedException {
            while (figures == null || under.get() > 0 || streams.state() != KafkaStreams.State.RUNNING) {
                Thread.sleep(5);
            }
            return figures;
        }
    }
}
