package astraios$sandbox;

import java.io.IOException;
import java.lang.reflect.Constructor;
import java.util.ArrayList;
import java.util.List;

/**
 * Exceptions: they cross as the nearest class of the JDK or, where the test names the sample's, as its stub; with their
 * message, the name of their own class, and their causes.
 */
final class Failures {
    private static final int MAX_MESSAGE = 100_000;
    private static final int MAX_CAUSES = 5;

    private Failures() {}

    static void write(Codec.Writer to, Throwable failure) throws IOException {
        write(to, failure, MAX_CAUSES);
    }

    private static void write(Codec.Writer to, Throwable failure, int left) throws IOException {
        List<String> names = new ArrayList<>();
        for (Class<?> each = failure.getClass(); each != Object.class; each = each.getSuperclass()) {
            if (Containers.ofJdk(each) || !to.wire.judge) {
                names.add(each.getName());
            }
        }
        Frames.text(to.out, origin(failure, to.wire));
        to.out.writeByte(names.size());
        for (String each : names) {
            Frames.text(to.out, each);
        }
        String message = message(failure);
        to.out.writeBoolean(message != null);
        Frames.text(to.out, message == null ? "" : message);
        Throwable cause = left == 0 ? null : cause(failure);
        to.out.writeBoolean(cause != null);
        if (cause != null) {
            write(to, cause, left - 1);
        }
    }

    private static Throwable cause(Throwable failure) {
        try {
            return failure.getCause();
        } catch (Throwable again) { // it may be the sample's own method
            return null;
        }
    }

    private static String message(Throwable failure) {
        String message;
        try {
            message = failure.getMessage();
        } catch (Throwable again) { // it may be the sample's own method
            return null;
        }
        return message != null && message.length() > MAX_MESSAGE ? message.substring(0, MAX_MESSAGE) : message;
    }

    static Throwable read(Codec.Reader from, Wire wire) throws IOException {
        return read(from, wire, MAX_CAUSES);
    }

    private static Throwable read(Codec.Reader from, Wire wire, int left) throws IOException {
        String origin = Frames.text(from.in);
        Throwable failure = null;
        List<String> names = new ArrayList<>();
        for (int count = from.in.readUnsignedByte(); count > 0; count--) {
            names.add(Frames.text(from.in));
        }
        boolean some = from.in.readBoolean();
        String text = Frames.text(from.in);
        String message = some ? text : null;
        for (String each : names) {
            failure = failure == null && wire.judge ? stub(each, message, wire) : failure;
            failure = failure == null ? make(each, message) : failure;
        }
        if (failure == null) {
            throw new Frames.Malformed("an exception of no known class");
        }
        wire.origins.put(failure, origin);
        if (from.in.readBoolean()) {
            if (left == 0) {
                throw new Frames.Malformed("an exception with too many causes");
            }
            Throwable cause = read(from, wire, left - 1);
            try {
                failure.initCause(cause);
            } catch (IllegalStateException given) { // its class makes its own cause
                return failure;
            }
        }
        return failure;
    }

    /** The exception of the stub that has that name, where the test names a class of the sample's; else null. */
    private static Throwable stub(String name, String message, Wire wire) {
        Class<?> type = wire.loader.own(name);
        if (type == null || !Throwable.class.isAssignableFrom(type)) {
            return null;
        }
        try {
            Constructor<?> constructor = type.getDeclaredConstructor(String.class, Handle.Ref.class);
            constructor.setAccessible(true);
            return (Throwable) constructor.newInstance(message, null);
        } catch (ReflectiveOperationException | RuntimeException unsuitable) {
            return null;
        }
    }

    private static Throwable make(String name, String message) {
        try {
            Class<?> type = Class.forName(name, false, null);
            if (!Throwable.class.isAssignableFrom(type) || !Containers.ofJdk(type)) {
                return null;
            }
            if (type == AssertionError.class) {
                return message == null ? new AssertionError() : new AssertionError(message);
            }
            return (Throwable) (message == null ? plain(type) : type.getConstructor(String.class).newInstance(message));
        } catch (ReflectiveOperationException | RuntimeException unsuitable) {
            return null;
        }
    }

    /** The exception as one of the nearest class of the JDK, with its message, in which a name is not told. */
    static Throwable bare(Throwable failure, String hidden) {
        String message = message(failure);
        String told = message == null ? null : message.replace(hidden, "");
        Throwable made = null;
        for (Class<?> each = failure.getClass(); made == null; each = each.getSuperclass()) {
            made = Containers.ofJdk(each) ? make(each.getName(), told) : null;
        }
        return made; // of Throwable, at the latest
    }

    private static Object plain(Class<?> type) throws ReflectiveOperationException {
        try {
            return type.getConstructor().newInstance();
        } catch (NoSuchMethodException absent) {
            return type.getConstructor(String.class).newInstance((String) null);
        }
    }

    /**
     * The name of the class that the exception had where it was thrown; of what failed an initialiser, the cause's; of a
     * value that cannot be written, the reason in words. Without a wire, that of the class here.
     */
    static String origin(Throwable failure, Wire wire) {
        String known = wire == null ? null : wire.origins.get(failure);
        if (known != null) {
            return known;
        }
        Throwable cause = failure;
        while (cause instanceof ExceptionInInitializerError && cause.getCause() != null) {
            cause = cause.getCause();
        }
        if (cause instanceof Frames.Malformed) {
            return "the sample's answer cannot be sent to the test: " + cause.getMessage();
        }
        return cause.getClass().getName();
    }
}
