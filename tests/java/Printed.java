import java.io.PrintStream;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.function.UnaryOperator;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import org.apache.kafka.clients.admin.Config;
import org.apache.kafka.clients.admin.DeletedRecords;
import org.apache.kafka.common.KafkaFuture;
import org.apache.kafka.common.errors.TimeoutException;

/**
 * Observations as the differential runner reads them: a line `= step`, then a line `field: value` for each field.
 * What two brokers cannot have in common (ids, ports, times, folders) is replaced by a word.
 */
final class Printed {
  private static final PrintStream OUT = System.out;
  private static final Pattern ADDRESS = Pattern.compile("(127\\.0\\.0\\.1|localhost):\\d+( \\(id: \\d+ rack: \\w+ isFenced: \\w+\\))?");
  private static final Pattern UUID = Pattern.compile("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}");
  private static final Pattern WORD = Pattern.compile("(?<![A-Za-z0-9_-])[A-Za-z0-9_-]{22}(?![A-Za-z0-9_-])");
  private static final Pattern TIME = Pattern.compile("(?<!\\d)1[6-9]\\d{11}(?!\\d)");
  private static final Pattern FOLDER = Pattern.compile("/[\\w./-]*tmp[\\w./-]*");
  private static final Pattern PARTITIONS = Pattern.compile("topicPartitions=([^)\\]]*)");
  private static final Pattern INTERNAL = Pattern.compile("(^|[ '])(__\\w+|_schemas|_dek_registry_keys)\\b");
  /** Times the scenarios write themselves; all others are a broker's clock. */
  private static final String OWN_TIMES = "17000000";

  private Printed() {}

  /** Keeps the standard output that there is now, whatever tools are given later. */
  static void start() {
    OUT.flush();
  }

  static void step(String name) {
    OUT.println("= " + name);
  }

  static void field(String name, String value) {
    OUT.println(plain(name).replace(": ", " ") + ": " + plain(value).strip());
    OUT.flush();
  }

  /** A result, a map entry or a list's member a field. */
  static void result(String name, Object value) throws Exception {
    Object got = value instanceof KafkaFuture<?> future ? future.get() : value;
    if (got instanceof Map<?, ?> map && !map.isEmpty()) {
      Map<String, Object> sorted = new TreeMap<>();
      map.forEach((key, inner) -> sorted.put(text(key), inner));
      for (Map.Entry<String, Object> entry : sorted.entrySet()) {
        try {
          result(name + "[" + entry.getKey() + "]", entry.getValue());
        } catch (java.util.concurrent.ExecutionException error) {
          failure(name + "[" + entry.getKey() + "] ", error.getCause());
        }
      }
    } else if (got instanceof Config config) {
      for (String entry : sorted(config.entries().stream()
          .map(entry -> entry.name() + " " + entry.source() + (entry.isSensitive() ? " sensitive" : "")
              + (entry.isReadOnly() ? " read-only" : "") + " " + entry.type() + " = " + entry.value())
          .collect(Collectors.toList()))) {
        field(name + " " + entry.substring(0, entry.indexOf(' ')), entry.substring(entry.indexOf(' ') + 1));
      }
    } else {
      field(name, text(got));
    }
  }

  static void failure(String name, Throwable error) {
    field(name + "exception", error.getClass().getSimpleName());
    if (error instanceof TimeoutException) {
      // The client's own words: what it last tried, and how often.
      return;
    }
    field(name + "message", String.valueOf(error.getMessage()));
  }

  private static List<String> sorted(Collection<String> texts) {
    return texts.stream().sorted().collect(Collectors.toList());
  }

  /** Collections sorted, since brokers and clients give them in the order of their hash maps. */
  private static String text(Object value) {
    if (value instanceof Optional<?> optional) {
      return optional.isPresent() ? text(optional.get()) : "none";
    }
    if (value instanceof DeletedRecords deleted) {
      return "from " + deleted.lowWatermark();
    }
    if (value instanceof Collection<?> items) {
      return sorted(items.stream().map(Printed::text).filter(item -> !isInternal(item)).collect(Collectors.toList())).toString();
    }
    if (value instanceof Map<?, ?> map) {
      Map<String, String> sorted = new TreeMap<>();
      map.forEach((key, inner) -> sorted.put(text(key), text(inner)));
      return sorted.toString();
    }
    return value instanceof Throwable error ? error.getClass().getSimpleName() + ": " + error.getMessage() : String.valueOf(value);
  }

  static String plain(String text) {
    String line = String.join(" / ", lines(text)).replaceAll("\\s+", " ");
    line = ADDRESS.matcher(line).replaceAll("<address>");
    line = UUID.matcher(line).replaceAll("<id>");
    line = WORD.matcher(line).replaceAll(found -> isId(found.group()) ? "<id>" : Matcher.quoteReplacement(found.group()));
    line = TIME.matcher(line).replaceAll(found -> found.group().startsWith(OWN_TIMES) ? found.group() : "<time>");
    line = PARTITIONS.matcher(line).replaceAll(found -> Matcher.quoteReplacement(
        "topicPartitions=" + String.join(",", sorted(List.of(found.group(1).split(","))))));
    line = FOLDER.matcher(line).replaceAll("<folder>");
    for (Map.Entry<Pattern, String> rule : RULES) {
      line = rule.getKey().matcher(line).replaceAll(rule.getValue());
    }
    return line;
  }

  /** In the order they are applied. */
  private static final List<Map.Entry<Pattern, String>> RULES = List.of(
      Map.entry(Pattern.compile("producerId=\\d+"), "producerId=<producer id>"),
      Map.entry(Pattern.compile("(usableBytes|totalBytes)=\\w+(\\[\\d+\\])?"), "$1=<bytes>"),
      Map.entry(Pattern.compile("\"(usableBytes|totalBytes)\":\\d+"), "\"$1\":<bytes>"),
      Map.entry(Pattern.compile("(finalizedFeaturesEpoch=|\\bEpoch: )(Optional\\[)?\\d+\\]?"), "$1<epoch>"),
      Map.entry(Pattern.compile("listenerName='?\\w+'?|name='?CONTROLLER'?|(CONTROLLER|PLAINTEXT)://"), "<listener>"),
      Map.entry(Pattern.compile("(127\\.0\\.0\\.1|localhost) \\d+"), "<address>"),
      Map.entry(Pattern.compile("port=\\d+"), "port=<port>"),
      Map.entry(Pattern.compile("^(\\S+ \\d+ )\\d+( (Empty|Ongoing|Complete\\w+))$"), "$1<producer id>$2"),
      Map.entry(Pattern.compile("(HighWatermark|LeaderEpoch|MaxFollowerLagTimeMs): \\d+"), "$1: <number>"));

  static List<String> lines(String text) {
    List<String> lines = new ArrayList<>();
    for (String line : text.split("\\R")) {
      // Where an exception was thrown is the client's own affair.
      if (!line.isBlank() && !line.startsWith("\tat ") && !line.startsWith("\t... ")) {
        lines.add(line.strip());
      }
    }
    return lines;
  }

  /** Whether it tells of a topic that only one of the two keeps for itself. */
  static boolean isInternal(String text) {
    return INTERNAL.matcher(text).find();
  }

  /** Random text in base64, and not a word of ours. */
  private static boolean isId(String word) {
    long upper = word.chars().filter(Character::isUpperCase).count();
    long lower = word.chars().filter(Character::isLowerCase).count();
    boolean digit = word.chars().anyMatch(Character::isDigit);
    return lower > 0 && (upper > 4 || upper > 0 && digit);
  }
}
