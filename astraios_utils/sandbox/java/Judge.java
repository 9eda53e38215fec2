package astraios$sandbox;

import java.io.ByteArrayOutputStream;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.FileDescriptor;
import java.io.FileInputStream;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.io.PrintStream;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.util.Map;

/**
 * Runs tests, one after the other. It holds a test and the stubs of the sample's classes, and never a class of a sample.
 *
 * <p>Request: {@code T} and class files. While the test runs, the judge and the sample's JVM exchange the frames of
 * {@link Wire}, which the engine relays. Answer: {@code V}, a status, whether the judge may serve again, one line.
 */
public final class Judge {
    private static final int PASSED = 0;
    private static final int FAILED = 1;
    private static final int ERROR = 2;

    private final DataInputStream in = new DataInputStream(new FileInputStream(FileDescriptor.in));
    private final OutputStream out = new FileOutputStream(FileDescriptor.out);
    private Throwable thrown;

    private Judge() {}

    public static void main(String[] arguments) throws Exception {
        silence();
        Judge judge = new Judge();
        for (byte[] frame = Frames.receive(judge.in); frame != null; frame = Frames.receive(judge.in)) {
            DataInputStream request = Frames.reader(frame);
            if (request.readByte() == 'T') { // a late frame of the program before is dropped
                judge.judge(Frames.classes(request));
            }
        }
        Runtime.getRuntime().halt(0);
    }

    /** Standard input is empty and output goes nowhere, closed or not. */
    static void silence() {
        System.setIn(InputStream.nullInputStream());
        PrintStream silent = new PrintStream(OutputStream.nullOutputStream()) {
            @Override
            public void close() {
                // a program may close System.out; the next one still needs it
            }
        };
        System.setOut(silent);
        System.setErr(silent);
    }

    private void judge(Map<String, byte[]> classes) throws IOException, InterruptedException {
        Frames.Loader loader = new Frames.Loader(Judge.class.getClassLoader(), classes);
        Wire wire = new Wire(in, out, loader, true);
        Remote.use(wire);
        thrown = null;
        ThreadGroup group = new ThreadGroup("test");
        Thread main = new Thread(group, () -> run(loader), "main");
        main.setContextClassLoader(loader);
        main.start();
        main.join();
        await(group);
        Remote.use(null);
        answer(wire);
    }

    private void run(ClassLoader loader) {
        try {
            Method main = loader.loadClass("Main").getMethod("main", String[].class);
            main.setAccessible(true); // the class itself need not be public
            main.invoke(null, (Object) new String[0]);
        } catch (InvocationTargetException wrapped) {
            thrown = wrapped.getCause();
        } catch (Throwable error) {
            thrown = error;
        }
    }

    /** The test has ended when its last thread has. */
    private static void await(ThreadGroup group) throws InterruptedException {
        Thread[] threads = new Thread[64];
        for (int count = group.enumerate(threads); count > 0; count = group.enumerate(threads)) {
            boolean waited = false;
            for (int i = 0; i < count; i++) {
                if (!threads[i].isDaemon()) {
                    threads[i].join();
                    waited = true;
                }
            }
            if (!waited) {
                return;
            }
        }
    }

    /** An AssertionError is a wrong answer, the test's own or the sample's; everything else is an error. */
    private void answer(Wire wire) throws IOException {
        String detail = wire.fault();
        int status = detail != null || thrown != null ? ERROR : PASSED;
        if (detail == null && thrown != null) {
            status = thrown instanceof AssertionError ? FAILED : ERROR;
            detail = thrown instanceof Reversed.Report ? thrown.getMessage() : Failures.origin(thrown, wire);
        }
        if (detail != null && detail.startsWith(Reversed.PREFIX) && !(thrown instanceof Reversed.Report)) {
            detail = "an exception that is called like a report";
        }
        boolean own = thrown instanceof Error && !(thrown instanceof AssertionError || thrown instanceof Wire.Gone);
        own |= thrown instanceof Reversed.Report && ((Reversed.Report) thrown).spoiled;
        boolean reusable = !own || wire.origins.containsKey(thrown);
        ByteArrayOutputStream buffer = new ByteArrayOutputStream();
        DataOutputStream data = new DataOutputStream(buffer);
        data.writeByte('V');
        data.writeByte(status);
        data.writeBoolean(reusable);
        data.writeUTF(detail == null ? "" : detail.length() > 300 ? detail.substring(0, 300) : detail);
        Frames.send(out, buffer.toByteArray());
    }
}
