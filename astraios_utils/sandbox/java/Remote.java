package astraios$sandbox;

/** What stubs call. The judge runs one program at a time, so one wire is in use. */
public final class Remote {
    private static volatile Wire wire;

    private Remote() {}

    static void use(Wire next) {
        wire = next;
    }

    /** Makes an object of a class of the sample. */
    public static Handle.Ref create(String type, String parameters, Object... arguments) {
        return wire.create(type, parameters, arguments);
    }

    /** Calls a static method of the sample. */
    public static Object callStatic(String type, String member, Object... arguments) {
        return wire.invokeStatic(type, member, arguments);
    }

    /** Calls a method of an object of the sample. */
    public static Object call(Handle target, String member, Object... arguments) {
        return target.ref.wire.invoke(target.ref.id, member, arguments);
    }
}
