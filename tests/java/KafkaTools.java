import java.io.BufferedReader;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.OutputStream;
import java.io.PrintStream;
import java.lang.reflect.InvocationTargetException;
import java.nio.charset.StandardCharsets;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicReference;
import org.apache.kafka.common.utils.Exit;

/**
 * Runs Kafka's command-line tools one after another in this one process, as if each had its own. Reads a call a line: the
 * step's name, the tool's class and its arguments, between tabs; prints exit status, standard output and errors.
 */
public final class KafkaTools {
  private static final long CALL_SECONDS_MAX = 30;

  /** Where a standard stream goes just now; Scala's console keeps the stream that it first saw. */
  private static final class Switch extends OutputStream {
    private volatile ByteArrayOutputStream target = new ByteArrayOutputStream();

    @Override
    public void write(int octet) throws IOException {
      target.write(octet);
    }

    @Override
    public void write(byte[] octets, int from, int count) throws IOException {
      target.write(octets, from, count);
    }

    String taken() {
      String text = target.toString(StandardCharsets.UTF_8);
      target = new ByteArrayOutputStream();
      return text;
    }
  }

  public static void main(String[] args) throws Exception {
    Printed.start();
    Switch out = new Switch();
    Switch errors = new Switch();
    System.setOut(new PrintStream(out, true, StandardCharsets.UTF_8));
    System.setErr(new PrintStream(errors, true, StandardCharsets.UTF_8));
    BufferedReader calls = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    for (String line = calls.readLine(); line != null; line = calls.readLine()) {
      String[] parts = line.split("\t");
      AtomicReference<String> status = new AtomicReference<>("none within the time");
      CountDownLatch done = new CountDownLatch(1);
      Exit.Procedure exit = (code, message) -> {
        ended(status, done, String.valueOf(code));
        // A process would be gone: whatever the tool would do next must not happen.
        forever();
      };
      Exit.setExitProcedure(exit);
      Exit.setHaltProcedure(exit);
      Thread tool = new Thread(() -> call(parts, status, done), "tool");
      tool.setDaemon(true);
      tool.start();
      done.await(CALL_SECONDS_MAX, TimeUnit.SECONDS);
      Printed.step(parts[0]);
      Printed.field("exit", status.get());
      lines("out", out.taken());
      lines("err", errors.taken());
    }
    Runtime.getRuntime().halt(0);
  }

  private static void call(String[] parts, AtomicReference<String> status, CountDownLatch done) {
    String[] words = parts.length < 3 ? new String[0] : parts[2].split(" ");
    try {
      Class.forName(parts[1]).getMethod("main", String[].class).invoke(null, (Object) words);
      ended(status, done, "0");
    } catch (InvocationTargetException error) {
      System.err.println(error.getCause());
      ended(status, done, "1");
    } catch (ReflectiveOperationException error) {
      ended(status, done, "no such tool: " + error);
    }
  }

  private static void ended(AtomicReference<String> status, CountDownLatch done, String code) {
    synchronized (done) {
      if (done.getCount() > 0) {
        status.set(code);
        done.countDown();
      }
    }
  }

  private static void forever() {
    while (true) {
      try {
        Thread.sleep(Long.MAX_VALUE);
      } catch (InterruptedException ignored) {
        // Nobody waits for this thread.
      }
    }
  }

  /** A field is a line and how often it was printed, since tools print in the order of their hash maps. */
  private static void lines(String name, String text) {
    Map<String, Integer> counts = new TreeMap<>();
    for (String line : Printed.lines(text)) {
      String plain = Printed.plain(line);
      if (!Printed.isInternal(plain)) {
        counts.merge(plain, 1, Integer::sum);
      }
    }
    counts.forEach((line, count) -> Printed.field(name + " " + line, String.valueOf(count)));
  }
}
