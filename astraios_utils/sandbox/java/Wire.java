package astraios$sandbox;

import java.io.ByteArrayOutputStream;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.lang.reflect.Constructor;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.lang.reflect.Modifier;
import java.lang.reflect.Proxy;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.IdentityHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * One end of the line between the judge and the sample's JVM, for one program. Both JVMs use the same code.
 *
 * <p>A call is {@code C}, how the member is found, its name, the arguments. The answer is {@code R}, the arguments that
 * were changed in place, the result; or {@code X}, the same changes, an exception. While one side waits for its answer
 * it serves calls of the other (a comparator that the test has passed, for instance). {@code D} from the engine says
 * that the other JVM is gone.
 */
final class Wire {
    private static final int MAX_INTERFACES = 32;

    final Frames.Loader loader;
    /** Names of the classes that rebuilt exceptions had in the other JVM. */
    final IdentityHashMap<Throwable, String> origins = new IdentityHashMap<>();
    private final DataInputStream in;
    private final OutputStream out;
    final boolean judge;
    private final List<Object> exports = new ArrayList<>();
    private final IdentityHashMap<Object, Integer> exported = new IdentityHashMap<>();
    private final Map<Integer, Object> imports = new HashMap<>();
    /** Why the other side can no longer be asked; null while it can. */
    private String fault;
    /** Whether a call that was served has ended in an error of this JVM, such as an overflow of its stack. */
    private boolean broken;

    /** A line to nowhere, with which plain data can be written and read, and handles cannot. */
    static Wire plain(Frames.Loader loader) {
        return new Wire(null, null, loader, true);
    }

    boolean plainOnly() {
        return out == null;
    }

    Wire(DataInputStream in, OutputStream out, Frames.Loader loader, boolean judge) {
        this.in = in;
        this.out = out;
        this.loader = loader;
        this.judge = judge;
    }

    /** The other JVM is gone or speaks nonsense; no test can go on. */
    static final class Gone extends Error {
        private static final long serialVersionUID = 1;

        Gone(String why) {
            super(why, null, false, false);
        }
    }

    String fault() {
        return fault;
    }

    // ---------------------------------------------------------------- asking

    Handle.Ref create(String type, String parameters, Object... arguments) {
        Object made = ask('n', 0, type, parameters, arguments);
        Handle.Ref ref = Handle.refOf(made);
        return ref != null ? ref : fail("no object was made");
    }

    Object invokeStatic(String type, String member, Object... arguments) {
        return ask('s', 0, type, member, arguments);
    }

    Object invoke(int id, String member, Object... arguments) {
        return ask('v', id, "", member, arguments);
    }

    private synchronized Object ask(int how, int id, String type, String member, Object[] arguments) {
        if (fault != null) {
            throw new Gone(fault);
        }
        Codec.Table table = new Codec.Table();
        ByteArrayOutputStream buffer = new ByteArrayOutputStream();
        Codec.Writer to = new Codec.Writer(new DataOutputStream(buffer), this, table);
        try {
            to.out.writeByte('C');
            to.out.writeByte(how);
            to.out.writeInt(id);
            Frames.text(to.out, type);
            Frames.text(to.out, member);
            to.out.writeByte(arguments.length);
            for (Object each : arguments) {
                to.value(each);
            }
        } catch (IOException tooLarge) {
            throw new IllegalArgumentException(tooLarge.getMessage());
        }
        Object result;
        try {
            Frames.send(out, buffer.toByteArray());
            result = answer(table);
        } catch (IOException malformed) {
            return fail("the sample's answer is malformed");
        }
        if (result instanceof Raised) {
            Wire.<RuntimeException>raise(((Raised) result).failure);
        }
        return result;
    }

    /** An answer that is an exception. */
    private static final class Raised {
        final Throwable failure;

        Raised(Throwable failure) {
            this.failure = failure;
        }
    }

    private <T> T fail(String why) {
        fault = why;
        throw new Gone(why);
    }

    private Object answer(Codec.Table table) throws IOException {
        while (true) {
            byte[] frame = Frames.receive(in);
            if (frame == null) {
                Runtime.getRuntime().halt(0);
            }
            DataInputStream data = Frames.reader(frame);
            int kind = data.readUnsignedByte();
            if (kind == 'C') {
                Frames.send(out, serve(data));
            } else if (kind == 'D') {
                return fail("the sample's process is gone");
            } else if (kind == 'R' || kind == 'X') {
                return read(new Codec.Reader(data, this, table), kind, table);
            } else {
                throw new Frames.Malformed("frame");
            }
        }
    }

    private Object read(Codec.Reader from, int kind, Codec.Table table) throws IOException {
        int known = table.objects.size();
        from.in.readBoolean(); // of interest to the engine alone
        Map<Integer, Object> changes = new HashMap<>();
        for (int count = from.in.readInt(); count > 0; count--) {
            int number = from.in.readInt();
            if (number < 0 || number >= known) {
                throw new Frames.Malformed("change");
            }
            changes.put(number, from.checked());
        }
        Object result = from.checked();
        try {
            changes.forEach((number, contents) -> Containers.change(table.objects.get(number), contents));
        } catch (RuntimeException unsuitable) {
            throw new Frames.Malformed("contents");
        }
        if (kind == 'X') {
            if (!(result instanceof Throwable)) {
                throw new Frames.Malformed("exception");
            }
            return new Raised((Throwable) result);
        }
        return result;
    }

    @SuppressWarnings("unchecked")
    private static <T extends Throwable> void raise(Throwable failure) throws T {
        throw (T) failure; // a stub declares what its method may throw
    }

    // ---------------------------------------------------------------- being asked

    /** Serves one call, whose frame has been read up to its kind; returns the answer. */
    byte[] serve(DataInputStream data) throws IOException {
        Codec.Table table = new Codec.Table();
        Codec.Reader from = new Codec.Reader(data, this, table);
        int how = data.readUnsignedByte();
        int id = data.readInt();
        String type = Frames.text(data);
        String member = Frames.text(data);
        Object[] arguments = new Object[data.readUnsignedByte()];
        for (int i = 0; i < arguments.length; i++) {
            arguments[i] = from.checked();
        }
        List<Object> before = new ArrayList<>();
        for (int i = 0; i < table.objects.size(); i++) {
            before.add(table.handles.get(i) ? null : Containers.contents(table.objects.get(i)));
        }
        Object result = null;
        Throwable failure = null;
        try {
            result = perform(how, id, type, member, arguments);
            return encode('R', result, table, before);
        } catch (InvocationTargetException thrown) {
            failure = thrown.getCause();
            if (failure instanceof Reversed.Over) {
                throw (Reversed.Over) failure;
            }
        } catch (Throwable thrown) {
            failure = thrown;
        }
        broken |= failure instanceof Error && !(failure instanceof AssertionError);
        return failed(failure, table, before);
    }

    private Object perform(int how, int id, String type, String member, Object[] arguments)
            throws ReflectiveOperationException, IOException {
        if (how == 'v') {
            Object target = exported(id);
            boolean own = member.equals("equals(java.lang.Object)") || member.equals("toString()");
            Method method = judge && !own ? Members.interfaceMethod(target.getClass(), member)
                    : Members.method(target.getClass(), member);
            return method.invoke(target, arguments);
        }
        if (judge) {
            throw new Frames.Malformed("the test's classes cannot be called");
        }
        Class<?> owner = Class.forName(type, false, loader);
        if (how == 'n') {
            return new Made(Members.constructor(owner, member).newInstance(arguments));
        }
        Method method = Members.method(owner, member);
        if (!Modifier.isStatic(method.getModifiers())) {
            throw new NoSuchMethodException(member);
        }
        return method.invoke(null, arguments);
    }

    /** A new object, which crosses as a handle even if it is a collection. */
    private static final class Made {
        final Object object;

        Made(Object object) {
            this.object = object;
        }
    }

    private byte[] encode(int kind, Object result, Codec.Table table, List<Object> before) throws IOException {
        ByteArrayOutputStream buffer = new ByteArrayOutputStream();
        Codec.Writer to = new Codec.Writer(new DataOutputStream(buffer), this, table);
        to.out.writeByte(kind);
        to.out.writeBoolean(broken);
        List<Integer> changed = new ArrayList<>();
        List<Object> now = new ArrayList<>();
        for (int i = 0; i < before.size(); i++) {
            Object contents = before.get(i) == null ? null : Containers.contents(table.objects.get(i));
            if (contents != null && !Containers.unchanged(before.get(i), contents)) {
                changed.add(i);
                now.add(contents);
            }
        }
        to.out.writeInt(changed.size());
        for (int i = 0; i < now.size(); i++) {
            to.out.writeInt(changed.get(i));
            to.value(now.get(i));
        }
        if (result instanceof Made) {
            table.reserve();
            export(to, ((Made) result).object);
        } else {
            to.value(result);
        }
        return buffer.toByteArray();
    }

    private byte[] failed(Throwable failure, Codec.Table table, List<Object> before) throws IOException {
        try {
            return encode('X', failure, table, before);
        } catch (Throwable again) { // its message or its changes cannot be written: then its class alone
            Throwable plain = again instanceof IOException ? new IllegalStateException(again.getMessage()) : again;
            Codec.Table fresh = new Codec.Table();
            return encode('X', new IllegalStateException(plain.getClass().getName()), fresh, List.of());
        }
    }

    // ---------------------------------------------------------------- handles

    /** Writes an object of this JVM as a handle: its number, hash code, class names and interfaces. */
    void export(Codec.Writer to, Object object) throws IOException {
        if (plainOnly()) {
            throw new Frames.Malformed("no plain data");
        }
        Integer id = exported.get(object);
        if (id == null) {
            id = exports.size();
            exports.add(object);
            exported.put(object, id);
        }
        to.out.writeByte('h');
        to.out.writeInt(id);
        to.out.writeInt(object.hashCode());
        names(to.out, classes(object.getClass()));
        names(to.out, interfaces(object.getClass()));
    }

    private static void names(DataOutputStream out, List<String> names) throws IOException {
        int count = Math.min(names.size(), MAX_INTERFACES);
        out.writeByte(count);
        for (String each : names.subList(0, count)) {
            Frames.text(out, each);
        }
    }

    private static List<String> classes(Class<?> type) {
        List<String> names = new ArrayList<>();
        for (Class<?> each = type; each != null && !Containers.ofJdk(each); each = each.getSuperclass()) {
            names.add(each.getName());
        }
        return names;
    }

    private List<String> interfaces(Class<?> type) {
        Set<String> names = new LinkedHashSet<>();
        for (Class<?> each = type; each != null; each = each.getSuperclass()) {
            collect(each, names);
        }
        return new ArrayList<>(names);
    }

    private void collect(Class<?> type, Set<String> names) {
        for (Class<?> each : type.getInterfaces()) {
            boolean visible = Containers.ofJdk(each) && Modifier.isPublic(each.getModifiers());
            if (visible || each.getClassLoader() == loader) {
                names.add(each.getName());
            }
            collect(each, names);
        }
    }

    Object exported(int id) throws Frames.Malformed {
        if (id < 0 || id >= exports.size()) {
            throw new Frames.Malformed("handle");
        }
        return exports.get(id);
    }

    /** Reads a handle: the same stub or proxy each time that the same object crosses. */
    Object imported(Codec.Reader from) throws IOException, ReflectiveOperationException {
        Handle.Ref ref = new Handle.Ref(this, from.in.readInt(), from.in.readInt());
        List<String> classes = names(from.in);
        List<String> interfaces = names(from.in);
        Object known = imports.get(ref.id);
        if (known == null) {
            known = stub(ref, classes);
            known = known != null ? known : proxy(ref, interfaces);
            adopt(ref.id, known);
        }
        return known;
    }

    /** From now on the object of the other JVM is this one here. */
    void adopt(int id, Object object) {
        imports.put(id, object);
    }

    private static List<String> names(DataInputStream in) throws IOException {
        List<String> names = new ArrayList<>();
        for (int count = in.readUnsignedByte(); count > 0; count--) {
            names.add(Frames.text(in));
        }
        return names;
    }

    private Object stub(Handle.Ref ref, List<String> classes) throws ReflectiveOperationException {
        for (String each : classes) {
            Class<?> type = judge ? loader.own(each) : null;
            if (type != null && Handle.class.isAssignableFrom(type)) {
                Class.forName(each, true, loader); // the constants of an enum are made, this object perhaps among them
                Constructor<?> wrap = type.getDeclaredConstructor(Handle.Ref.class);
                wrap.setAccessible(true);
                Object constant = imports.get(ref.id);
                return constant != null ? constant : wrap.newInstance(ref);
            }
        }
        return null;
    }

    private Object proxy(Handle.Ref ref, List<String> names) {
        List<Class<?>> interfaces = new ArrayList<>();
        for (String each : names) {
            Class<?> type = loader.own(each);
            try {
                type = type == null && each.startsWith("java.") ? Class.forName(each, false, null) : type;
            } catch (ClassNotFoundException | LinkageError unknown) {
                type = null;
            }
            if (type != null && type.isInterface() && !each.startsWith("java.lang.constant.")) {
                interfaces.add(type);
            }
        }
        Handle.Distant handler = new Handle.Distant(ref);
        try {
            return Proxy.newProxyInstance(loader, interfaces.toArray(new Class<?>[0]), handler);
        } catch (IllegalArgumentException conflict) { // a sealed interface, or two that no class can implement
            return Proxy.newProxyInstance(loader, new Class<?>[0], handler);
        }
    }
}
