package astraios$sandbox;

import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.EOFException;
import java.io.FileDescriptor;
import java.io.FileInputStream;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.io.PrintStream;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.util.Arrays;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.Map;

/**
 * Runs one program at a time and answers with its verdict.
 *
 * <p>A request is a length and a frame: a 16-byte secret, then name and bytes of each class. The answer repeats the
 * secret, which lives in a local variable only; a sample can print to every descriptor, but not that. The verdict is
 * decided here, after {@code Main.main} came back, and by nothing else: an exit, a halt or a crash gives no answer,
 * which the engine reads as an error. With the argument {@code once} the process ends after the first answer; without
 * it the engine sends only programs that {@link Harmless} let through.
 */
public final class Runner {
    private static final int PASSED = 0;
    private static final int FAILED = 1;
    private static final int ERROR = 2;

    private Runner() {}

    /** What a program came to: a status, one line, and whether this JVM may serve another one. */
    private static final class Result {
        final int status;
        final String detail;
        final boolean reusable;

        Result(int status, String detail, boolean reusable) {
            this.status = status;
            this.detail = detail;
            this.reusable = reusable;
        }
    }

    /** Serves the classes of one program; parents first, so the JDK's classes cannot be replaced. */
    private static final class ProgramLoader extends ClassLoader {
        private final Map<String, byte[]> classes;

        ProgramLoader(Map<String, byte[]> classes) {
            super(Runner.class.getClassLoader());
            this.classes = classes;
        }

        @Override
        protected Class<?> findClass(String name) throws ClassNotFoundException {
            byte[] code = classes.get(name);
            if (code == null) {
                throw new ClassNotFoundException(name);
            }
            return defineClass(name, code, 0, code.length);
        }
    }

    public static void main(String[] arguments) throws Exception {
        boolean once = arguments.length > 0 && arguments[0].equals("once");
        DataInputStream requests = new DataInputStream(new FileInputStream(FileDescriptor.in));
        OutputStream answers = new FileOutputStream(FileDescriptor.out);
        System.setIn(InputStream.nullInputStream());
        System.setOut(silent());
        System.setErr(silent());
        ThreadGroup group = new ThreadGroup("program");
        while (serve(requests, answers, group) && !once) {
            // one program after the other
        }
        Runtime.getRuntime().halt(0);
    }

    private static PrintStream silent() {
        return new PrintStream(OutputStream.nullOutputStream()) {
            @Override
            public void close() {
                // a program may close System.out; the next one still needs it
            }
        };
    }

    private static boolean serve(DataInputStream requests, OutputStream answers, ThreadGroup group)
            throws Exception {
        int length = nextLength(requests);
        if (length < 0) {
            return false;
        }
        byte[] frame = new byte[length];
        requests.readFully(frame);
        DataInputStream in = new DataInputStream(new ByteArrayInputStream(frame));
        byte[] secret = new byte[16];
        in.readFully(secret);
        Map<String, byte[]> classes = readClasses(in);
        Arrays.fill(frame, (byte) 0);
        Result result = run(classes, group);
        ByteArrayOutputStream buffer = new ByteArrayOutputStream();
        DataOutputStream out = new DataOutputStream(buffer);
        out.write(secret);
        out.writeByte(result.status);
        out.writeByte(result.reusable ? 1 : 0);
        out.writeUTF(result.detail.length() > 300 ? result.detail.substring(0, 300) : result.detail);
        answers.write(buffer.toByteArray());
        return result.reusable;
    }

    private static int nextLength(DataInputStream requests) throws IOException {
        try {
            return requests.readInt();
        } catch (EOFException gone) {
            return -1;
        }
    }

    private static Map<String, byte[]> readClasses(DataInputStream in) throws IOException {
        Map<String, byte[]> classes = new LinkedHashMap<>();
        for (int count = in.readInt(); count > 0; count--) {
            String name = in.readUTF();
            byte[] code = new byte[in.readInt()];
            in.readFully(code);
            classes.put(name, code);
        }
        return classes;
    }

    /** Runs Main.main in a thread of its own (with the JVM's default stack) and waits for every other thread too. */
    private static Result run(Map<String, byte[]> classes, ThreadGroup group) throws InterruptedException {
        Result[] result = new Result[1];
        Thread main = new Thread(group, () -> result[0] = call(new HashMap<>(classes)), "main");
        main.start();
        main.join();
        awaitThreads(group);
        return result[0];
    }

    private static Result call(Map<String, byte[]> classes) {
        try {
            ClassLoader loader = new ProgramLoader(classes);
            Thread.currentThread().setContextClassLoader(loader);
            for (String name : classes.keySet()) {
                loader.loadClass(name); // all of them now: later the program could define a class of that name itself
            }
            Method main = loader.loadClass("Main").getMethod("main", String[].class);
            main.setAccessible(true); // the class itself need not be public
            main.invoke(null, (Object) new String[0]);
            return new Result(PASSED, "", true);
        } catch (InvocationTargetException wrapped) {
            return judge(wrapped.getCause());
        } catch (Throwable error) {
            return judge(error);
        }
    }

    /** An AssertionError is a wrong answer, as in the protocol; the rest is an error. */
    private static Result judge(Throwable error) {
        Throwable cause = error;
        while (cause instanceof ExceptionInInitializerError && cause.getCause() != null) {
            cause = cause.getCause();
        }
        String name = cause.getClass().getName();
        if (error instanceof AssertionError) {
            return new Result(FAILED, name, true);
        }
        // After a VirtualMachineError or LinkageError a JDK class may have been left half initialised.
        return new Result(ERROR, name, !(error instanceof Error));
    }

    /** As the java launcher does: the program has ended when its last non-daemon thread has. */
    private static void awaitThreads(ThreadGroup group) throws InterruptedException {
        while (true) {
            Thread[] threads = new Thread[group.activeCount() + 16];
            int count = group.enumerate(threads, true);
            Thread alive = null;
            for (int i = 0; i < count; i++) {
                if (!threads[i].isDaemon()) {
                    alive = threads[i];
                }
            }
            if (alive == null) {
                return;
            }
            alive.join();
        }
    }
}
