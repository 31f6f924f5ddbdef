package peers;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;

/** What this process has used since it was asked to measure, as one line of JSON on standard output. */
public final class Figures {
    private final long began = System.nanoTime();
    private final double cpuBefore = cpu();

    /** CPU seconds of this process so far, all threads, compilation and garbage collection included. */
    static double cpu() {
        return ProcessHandle.current().info().totalCpuDuration().orElseThrow().toNanos() / 1e9;
    }

    public void print(long events) {
        System.out.printf(
            "{\"events\": %d, \"seconds\": %.3f, \"cpu_seconds\": %.3f, \"peak_rss_bytes\": %d}%n",
            events, (System.nanoTime() - began) / 1e9, cpu() - cpuBefore, peak());
        System.out.flush();
    }

    private static long peak() {
        try {
            for (String line : Files.readAllLines(Path.of("/proc/self/status"))) {
                if (line.startsWith("VmHWM:")) {
                    return Long.parseLong(line.replaceAll("[^0-9]", "")) * 1024;
                }
            }
        } catch (IOException e) {
            // No /proc: no figure.
        }
        return 0;
    }
}
