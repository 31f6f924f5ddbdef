package peers;

import java.nio.file.Path;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicLong;
import org.apache.flink.api.common.eventtime.WatermarkStrategy;
import org.apache.flink.api.common.state.ValueState;
import org.apache.flink.api.common.state.ValueStateDescriptor;
import org.apache.flink.api.common.functions.OpenContext;
import org.apache.flink.api.common.typeinfo.Types;
import org.apache.flink.api.java.functions.KeySelector;
import org.apache.flink.api.java.tuple.Tuple2;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.configuration.MemorySize;
import org.apache.flink.configuration.TaskManagerOptions;
import org.apache.flink.connector.kafka.source.KafkaSource;
import org.apache.flink.connector.kafka.source.enumerator.initializer.OffsetsInitializer;
import org.apache.flink.connector.kafka.source.reader.deserializer.KafkaRecordDeserializationSchema;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.streaming.api.functions.KeyedProcessFunction;
import org.apache.flink.streaming.api.functions.sink.v2.DiscardingSink;
import org.apache.flink.util.Collector;
import org.apache.kafka.clients.consumer.ConsumerRecord;

/**
 * Flink: keyed state in RocksDB, a checkpoint every ten seconds, one process with a slot per core.
 *
 * <p>Arguments: servers, topic, events, state directory.
 */
public final class FlinkPeer {
    static final AtomicLong SEEN = new AtomicLong();
    static final CountDownLatch DONE = new CountDownLatch(1);

    public static void main(String[] args) throws Exception {
        long events = Long.parseLong(args[2]);
        String state = Path.of(args[3]).toAbsolutePath().toUri().toString();
        Configuration configuration = new Configuration();
        configuration.setString("state.backend.type", "rocksdb");
        configuration.setString("execution.checkpointing.storage", "filesystem");
        configuration.setString("execution.checkpointing.dir", state + "/checkpoints");
        configuration.setString("execution.checkpointing.incremental", "true");
        configuration.set(TaskManagerOptions.MANAGED_MEMORY_SIZE, MemorySize.parse("512m"));
        int cores = Runtime.getRuntime().availableProcessors();
        StreamExecutionEnvironment environment =
            StreamExecutionEnvironment.createLocalEnvironment(cores, configuration);
        environment.enableCheckpointing(10_000);
        // As its documentation advises where nothing is changed after it was handed on.
        environment.getConfig().enableObjectReuse();

        KafkaSource<Tuple2<String, byte[]>> source = KafkaSource.<Tuple2<String, byte[]>>builder()
            .setBootstrapServers(args[0])
            .setTopics(args[1])
            .setGroupId("peer-flink")
            .setStartingOffsets(OffsetsInitializer.earliest())
            .setDeserializer(new KeyAndValue())
            .build();
        environment.fromSource(source, WatermarkStrategy.noWatermarks(), "events")
            .keyBy((KeySelector<Tuple2<String, byte[]>, String>) record -> record.f0)
            .process(new Fold(events))
            .sinkTo(new DiscardingSink<>());

        Figures figures = new Figures();
        environment.executeAsync("stock");
        DONE.await();
        figures.print(events);
        Runtime.getRuntime().halt(0);
    }

    static final class KeyAndValue implements KafkaRecordDeserializationSchema<Tuple2<String, byte[]>> {
        @Override
        public void deserialize(ConsumerRecord<byte[], byte[]> record, Collector<Tuple2<String, byte[]>> out) {
            out.collect(Tuple2.of(new String(record.key(), java.nio.charset.StandardCharsets.UTF_8), record.value()));
        }

        @Override
        public org.apache.flink.api.common.typeinfo.TypeInformation<Tuple2<String, byte[]>> getProducedType() {
            return Types.TUPLE(Types.STRING, Types.PRIMITIVE_ARRAY(Types.BYTE));
        }
    }

    static final class Fold extends KeyedProcessFunction<String, Tuple2<String, byte[]>, String> {
        private final long events;
        private transient ValueState<byte[]> stock;

        Fold(long events) {
            this.events = events;
        }

        @Override
        public void open(OpenContext context) {
            stock = getRuntimeContext()
                .getState(new ValueStateDescriptor<>("stock", byte[].class));
        }

        @Override
        public void processElement(Tuple2<String, byte[]> record, Context context, Collector<String> out)
            throws Exception {
            byte[] bytes = stock.value();
            Stock before = bytes == null ? new Stock() : Stock.of(bytes);
            stock.update(before.apply(record.f1).bytes());
            if (SEEN.incrementAndGet() == events) {
                DONE.countDown();
            }
        }
    }
}
