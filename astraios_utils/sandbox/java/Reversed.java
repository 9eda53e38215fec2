package astraios$sandbox;

import java.io.ByteArrayOutputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.lang.reflect.Constructor;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.lang.reflect.Modifier;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.Arrays;
import java.util.BitSet;
import java.util.function.Function;

/**
 * The trusted side of a program with reversed roles: answers the calls of model-written tests, and reports.
 *
 * <p>It runs in the judge, the tests in the subject. What the tests get is the replies of one implementation to their
 * calls, as plain data. Every call is answered by two implementations on copies of the same arguments: the reference, and
 * the one that the tests meet (a mutant, or a second copy of the reference, so that both kinds of run take the same
 * steps). So this side knows whether the tests have seen anything that the reference would not have said.
 */
public final class Reversed {
    static final String PREFIX = "Report: ";
    private static final int MAX_CALLS = 20_000;
    private static final long STEPS_FACTOR = 100;
    private static final long STEPS_SPARE = 10_000;
    private static final int MAX_WHY = 40;
    private static final String BROKEN = "the tests broke the channel";

    private Reversed() {}

    /** The tests, which are in the other JVM. */
    public interface Tests {
        /** Runs them; what they call is the function's argument: the name of a method and its arguments. */
        void begin(Function<Object, Object> calls) throws Throwable;
    }

    /** What the hooks of one implementation report to: its steps in the current call, lines and outcomes so far. */
    public static final class Meter {
        private final BitSet lines = new BitSet();
        private final BitSet branches = new BitSet();
        private long steps;
        private long limit;

        /** A statement of that line is next. */
        public void line(int number) {
            step();
            lines.set(number);
        }

        /** The condition of that number has that value. */
        public boolean branch(int number, boolean value) {
            step();
            branches.set(2 * number + (value ? 1 : 0));
            return value;
        }

        private void step() {
            if (++steps > limit) {
                throw new Endless();
            }
        }
    }

    /** An implementation has used up its steps; no {@code catch (Exception)} of its own catches it. */
    private static final class Endless extends Error {
        private static final long serialVersionUID = 1;

        Endless() {
            super(null, null, false, false);
        }
    }

    /** The run is over whatever the tests would do next; it leaves the wire as well. */
    static final class Over extends Error {
        private static final long serialVersionUID = 1;
        private final String ended;

        Over(String ended, String why) {
            super(why, null, false, false);
            this.ended = ended;
        }
    }

    /** How a run ends: its message is the report. */
    static final class Report extends RuntimeException {
        private static final long serialVersionUID = 1;
        /** Whether memory or stack of this JVM have run out in between. */
        final boolean spoiled;

        Report(String text, boolean spoiled) {
            super(text, null, false, false);
            this.spoiled = spoiled;
        }
    }

    /** One version of the class under test, instrumented. */
    public static final class Implementation {
        private final Class<?> type;
        private final Meter meter;
        private Object self;

        public Implementation(Class<?> type, Meter meter) {
            this.type = type;
            this.meter = meter;
        }

        /** The one method of that name that takes these arguments. */
        private Method method(String name, Object[] arguments) {
            Method found = null;
            for (Method each : type.getDeclaredMethods()) {
                boolean hidden = Modifier.isPrivate(each.getModifiers()) || each.isSynthetic();
                if (!hidden && each.getName().equals(name) && takes(each.getParameterTypes(), arguments)) {
                    if (found != null) {
                        throw new Over("error", "a call that two methods could take");
                    }
                    found = each;
                }
            }
            if (found == null) {
                throw new Over("error", BROKEN);
            }
            found.setAccessible(true);
            return found;
        }

        private static boolean takes(Class<?>[] types, Object[] arguments) {
            boolean fits = types.length == arguments.length;
            for (int i = 0; fits && i < types.length; i++) {
                Class<?> boxed = java.lang.invoke.MethodType.methodType(types[i]).wrap().returnType();
                fits = arguments[i] == null ? !types[i].isPrimitive() : boxed.isInstance(arguments[i]);
            }
            return fits;
        }

        /** What the name of the class begins with, and no message may tell: which implementation it is. */
        private String hidden() {
            return type.getName().substring(0, type.getName().lastIndexOf('$') + 1);
        }

        private Reply answer(String name, Object[] arguments, long limit) {
            Method method = method(name, arguments);
            meter.steps = 0;
            meter.limit = limit;
            try {
                if (self == null) {
                    Constructor<?> constructor = type.getDeclaredConstructor();
                    constructor.setAccessible(true);
                    self = constructor.newInstance();
                }
                return new Reply("value", method.invoke(self, arguments));
            } catch (InvocationTargetException thrown) {
                Throwable cause = thrown.getCause();
                if (cause instanceof VirtualMachineError) {
                    throw (VirtualMachineError) cause;
                }
                return cause instanceof Endless ? new Reply("endless", null)
                        : new Reply("raise", Failures.bare(cause, hidden()));
            } catch (LinkageError broken) {
                return new Reply("raise", Failures.bare(broken, hidden()));
            } catch (ReflectiveOperationException impossible) {
                throw new IllegalStateException(impossible);
            }
        }
    }

    /** What an implementation does with a call: {@code value}, {@code raise} or {@code endless}, and the object. */
    private static final class Reply {
        final String kind;
        final Object value;

        Reply(String kind, Object value) {
            this.kind = kind;
            this.value = value;
        }
    }

    /**
     * Runs the tests against an implementation.
     *
     * @throws Report always: how they ended (e), in words (w), calls (c), whether a reply differed from the reference's
     *     (d), a hash of all calls and replies (h), lines (l) and branches (b) of the reference that were executed
     */
    public static void drive(Tests tests, Implementation reference, Implementation met) {
        Run run = new Run(reference, met);
        String ended = "passed";
        String why = "";
        try {
            tests.begin(run);
        } catch (Over over) {
            ended = over.ended;
            why = over.getMessage();
        } catch (Wire.Gone gone) {
            throw gone;
        } catch (Throwable failure) {
            ended = failure instanceof AssertionError ? "failed" : "error";
            why = Failures.origin(failure, null);
        }
        throw run.report(ended, why);
    }

    /** One run of the tests. What is visible of it on the other side is the same in every run, its hash code included. */
    private static final class Run implements Function<Object, Object> {
        private final Implementation reference;
        private final Implementation met;
        private final Wire plain;
        private final MessageDigest digest;
        private Over over;
        private int calls;
        private boolean differs;
        private boolean spoiled;

        Run(Implementation reference, Implementation met) {
            this.reference = reference;
            this.met = met;
            plain = Wire.plain((Frames.Loader) reference.type.getClassLoader());
            try {
                digest = MessageDigest.getInstance("SHA-256");
            } catch (NoSuchAlgorithmException impossible) {
                throw new IllegalStateException(impossible);
            }
        }

        @Override
        public Object apply(Object call) {
            Reply reply;
            try {
                if (over != null) {
                    throw over;
                }
                reply = reply(call);
            } catch (Over end) {
                over = end;
                throw end;
            } catch (VirtualMachineError exhausted) {
                spoiled = true;
                over = new Over("error", "memory or stack ran out");
                throw over;
            } catch (IOException own) {
                over = new Over("error", "a value that is not plain data");
                throw over;
            }
            if (reply.kind.equals("raise")) {
                Run.<RuntimeException>raise((Throwable) reply.value);
            }
            return reply.value;
        }

        private Reply reply(Object call) throws IOException {
            Object[] parts = call instanceof Object[] ? (Object[]) call : new Object[0];
            if (parts.length != 2 || !(parts[0] instanceof String) || !(parts[1] instanceof Object[])) {
                throw new Over("error", BROKEN);
            }
            if (++calls > MAX_CALLS) {
                throw new Over("error", "more than " + MAX_CALLS + " calls");
            }
            String name = (String) parts[0];
            Object[] given = (Object[]) parts[1];
            byte[] asked = bytes(given);
            Object[] copy = (Object[]) new Codec.Reader(Frames.reader(asked), plain, new Codec.Table()).checked();
            byte[] expected = bytes(reference.answer(name, copy, Long.MAX_VALUE), copy);
            Reply reply = met.answer(name, given, STEPS_FACTOR * reference.meter.steps + STEPS_SPARE);
            byte[] shown = bytes(reply, given);
            differs |= !Arrays.equals(expected, shown);
            digest.update((name + " " + asked.length + " " + shown.length + " ").getBytes("UTF-8"));
            digest.update(asked);
            digest.update(shown);
            if (reply.kind.equals("endless")) {
                throw new Over("endless", "the function does not end");
            }
            return reply;
        }

        /** Values as bytes: the tests cannot distinguish two replies with the same bytes. */
        private byte[] bytes(Object... values) throws IOException {
            ByteArrayOutputStream buffer = new ByteArrayOutputStream();
            Codec.Writer to = new Codec.Writer(new DataOutputStream(buffer), plain, new Codec.Table());
            to.value(values);
            return buffer.toByteArray();
        }

        private byte[] bytes(Reply reply, Object[] arguments) throws IOException {
            return bytes(reply.kind, reply.value, arguments);
        }

        @SuppressWarnings("unchecked")
        private static <T extends Throwable> void raise(Throwable failure) throws T {
            throw (T) failure; // what a method may throw, its stub on the other side declares
        }

        Report report(String ended, String why) {
            String shown = why.replaceAll("[^\\w .$'-]", "?");
            shown = shown.length() > MAX_WHY ? shown.substring(0, MAX_WHY) : shown;
            StringBuilder hash = new StringBuilder();
            for (byte each : Arrays.copyOf(digest.digest(), 6)) {
                hash.append(String.format("%02x", each));
            }
            int lines = reference.meter.lines.cardinality();
            int branches = reference.meter.branches.cardinality();
            String text = "{\"e\": \"%s\", \"c\": %d, \"d\": %d, \"h\": \"%s\", \"l\": %d, \"b\": %d, \"w\": \"%s\"}";
            return new Report(PREFIX + String.format(text, ended, calls, differs ? 1 : 0, hash, lines, branches, shown),
                    spoiled);
        }

        @Override
        public <V> Function<V, Object> compose(Function<? super V, ? extends Object> before) {
            throw new Over("error", BROKEN);
        }

        @Override
        public <V> Function<Object, V> andThen(Function<? super Object, ? extends V> after) {
            throw new Over("error", BROKEN);
        }

        @Override
        public boolean equals(Object other) {
            return other == this;
        }

        @Override
        public int hashCode() {
            return 0; // the JVM's own would tell how many programs it has served
        }

        @Override
        public String toString() {
            return "calls";
        }
    }
}
