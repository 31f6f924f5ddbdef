package peers;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.ArrayDeque;
import java.util.Map;
import java.util.TreeMap;

/**
 * One SKU's stock, folded from the platform's events: the same rules in outline as the store's, in the shape a
 * Java service would give them: one aggregate per SKU with its entries inside, bytes by hand (smaller and faster
 * than JSON, so the peers are shown at their better side).
 */
public final class Stock {
    private static final ObjectMapper JSON = new ObjectMapper();
    private static final String PREFIX = "com.paklog.inventory.fulfillment.v1.";

    long onHand;
    long allocated;
    long version;
    long duplicates;
    long conflicts;
    long assembled;
    String unitCost = "";
    String abcClass = "";
    String kit = "";
    final Map<String, Long> statuses = new TreeMap<>();
    final Map<String, Long> holds = new TreeMap<>();
    final Map<String, Long> allocations = new TreeMap<>();
    final Map<String, Long> lots = new TreeMap<>();
    final Map<String, Long> locations = new TreeMap<>();
    final Map<String, Long> transfers = new TreeMap<>();
    final Map<String, Long> serials = new TreeMap<>();
    final ArrayDeque<Long> identities = new ArrayDeque<>();

    public static JsonNode parse(byte[] value) {
        try {
            return JSON.readTree(value);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    public Stock apply(byte[] value) {
        JsonNode event = parse(value);
        long identity = 31L * event.path("source").asText().hashCode() + event.path("id").asText().hashCode();
        identity ^= (long) event.path("id").asText().hashCode() << 32;
        if (identities.contains(identity)) {
            duplicates++;
            return this;
        }
        if (identities.size() >= 16) {
            identities.removeFirst();
        }
        identities.addLast(identity);
        JsonNode data = event.path("data");
        String type = event.path("type").asText();
        switch (type.startsWith(PREFIX) ? type.substring(PREFIX.length()) : type) {
            case "product-stock.level-changed" -> level(data);
            case "stock-status.changed", "product-stock.status-changed" -> {
                String from = data.path("previous_status").asText();
                String to = data.path("new_status").asText();
                long units = data.path("quantity").asLong();
                long taken = from.equals("AVAILABLE") ? units : Math.min(units, statuses.getOrDefault(from, 0L));
                add(statuses, from, -taken, !from.equals("AVAILABLE"));
                add(statuses, to, taken, !to.equals("AVAILABLE"));
            }
            case "inventory-hold.placed" ->
                holds.put(data.path("hold_id").asText(), data.path("quantity_on_hold").asLong());
            case "inventory-hold.released" ->
                add(holds, data.path("hold_id").asText(), -data.path("quantity_released").asLong(), true);
            case "inventory-valuation.changed" -> unitCost = data.path("new_unit_cost").asText();
            case "abc-classification.changed" -> abcClass = data.path("new_class").asText();
            case "stock-transfer.initiated" -> {
                transfers.put(data.path("transfer_id").asText(), data.path("quantity").asLong());
                add(locations, data.path("source_location").asText(), -data.path("quantity").asLong(), true);
            }
            case "stock-transfer.completed" -> {
                transfers.remove(data.path("transfer_id").asText());
                add(locations, data.path("to_location").asText(), data.path("quantity_transferred").asLong(), true);
            }
            case "serial-number.received" -> serials.put(data.path("serial_number").asText(), 1L);
            case "serial-number.allocated" -> serials.put(data.path("serial_number").asText(), 2L);
            case "serial-number.shipped" -> serials.remove(data.path("serial_number").asText());
            case "kit.created" -> kit = data.path("kit_name").asText();
            case "kit.assembled" -> assembled += data.path("kit_quantity_produced").asLong();
            case "kit.disassembled" -> assembled -= data.path("kit_quantity").asLong();
            default -> { }
        }
        version++;
        return this;
    }

    private void level(JsonNode data) {
        JsonNode previous = data.path("previous_stock_level");
        JsonNode next = data.path("new_stock_level");
        long wasOnHand = previous.path("quantity_on_hand").asLong();
        long wasAllocated = previous.path("quantity_allocated").asLong();
        long isOnHand = next.path("quantity_on_hand").asLong();
        long isAllocated = next.path("quantity_allocated").asLong();
        if (version > 0 && (wasOnHand != onHand || wasAllocated != allocated)) {
            conflicts++;
        }
        if (data.hasNonNull("lot_number")) {
            add(lots, data.path("lot_number").asText(), isOnHand - wasOnHand, true);
        }
        if (data.hasNonNull("location_id")) {
            add(locations, data.path("location_id").asText(), isOnHand - wasOnHand, true);
        }
        if (data.hasNonNull("allocation_id")) {
            add(allocations, data.path("allocation_id").asText(), isAllocated - wasAllocated, true);
        }
        onHand = isOnHand;
        allocated = isAllocated;
    }

    /** Nothing goes below zero, and what is zero is gone. */
    private static void add(Map<String, Long> entries, String id, long units, boolean kept) {
        if (!kept || units == 0) {
            return;
        }
        long now = Math.max(0, entries.getOrDefault(id, 0L) + units);
        if (now == 0) {
            entries.remove(id);
        } else {
            entries.put(id, now);
        }
    }

    public byte[] bytes() {
        try {
            ByteArrayOutputStream bytes = new ByteArrayOutputStream(512);
            DataOutputStream out = new DataOutputStream(bytes);
            for (long number : new long[] {onHand, allocated, version, duplicates, conflicts, assembled}) {
                out.writeLong(number);
            }
            out.writeUTF(unitCost);
            out.writeUTF(abcClass);
            out.writeUTF(kit);
            for (Map<String, Long> entries : maps()) {
                out.writeInt(entries.size());
                for (Map.Entry<String, Long> entry : entries.entrySet()) {
                    out.writeUTF(entry.getKey());
                    out.writeLong(entry.getValue());
                }
            }
            out.writeInt(identities.size());
            for (long identity : identities) {
                out.writeLong(identity);
            }
            return bytes.toByteArray();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    public static Stock of(byte[] bytes) {
        try {
            DataInputStream in = new DataInputStream(new ByteArrayInputStream(bytes));
            Stock stock = new Stock();
            stock.onHand = in.readLong();
            stock.allocated = in.readLong();
            stock.version = in.readLong();
            stock.duplicates = in.readLong();
            stock.conflicts = in.readLong();
            stock.assembled = in.readLong();
            stock.unitCost = in.readUTF();
            stock.abcClass = in.readUTF();
            stock.kit = in.readUTF();
            for (Map<String, Long> entries : stock.maps()) {
                for (int left = in.readInt(); left > 0; left--) {
                    entries.put(in.readUTF(), in.readLong());
                }
            }
            for (int left = in.readInt(); left > 0; left--) {
                stock.identities.addLast(in.readLong());
            }
            return stock;
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    @SuppressWarnings("unchecked")
    private Map<String, Long>[] maps() {
        return new Map[] {statuses, holds, allocations, lots, locations, transfers, serials};
    }
}
