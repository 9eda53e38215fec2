package astraios$sandbox;

import java.lang.reflect.InvocationHandler;
import java.lang.reflect.Method;
import java.util.Objects;

/**
 * An object that lives in the other JVM. Stubs of the sample's classes extend it; other objects are proxies with a
 * {@link Distant} handler.
 *
 * <p>A handle is never equal to plain data, whatever the {@code equals} of its class says. Two handles of one program
 * are equal if their class says so.
 */
public abstract class Handle {
    final Ref ref;

    protected Handle(Ref ref) {
        this.ref = ref;
        ref.wire.adopt(ref.id, this);
    }

    /** The number of an object in the other JVM's table, and its hash code when it crossed. */
    public static final class Ref {
        final Wire wire;
        final int id;
        final int hash;

        Ref(Wire wire, int id, int hash) {
            this.wire = wire;
            this.id = id;
            this.hash = hash;
        }

        boolean same(Object self, Object other) {
            Ref theirs = Handle.refOf(other);
            if (theirs == null || theirs.wire != wire) {
                return false;
            }
            return theirs.id == id || Objects.equals(true, wire.invoke(id, "equals(java.lang.Object)", other));
        }

        String text() {
            return (String) wire.invoke(id, "toString()");
        }
    }

    /** The reference behind a stub or a proxy; null for every other object. */
    static Ref refOf(Object object) {
        if (object instanceof Handle) {
            return ((Handle) object).ref;
        }
        if (object != null && java.lang.reflect.Proxy.isProxyClass(object.getClass())) {
            InvocationHandler handler = java.lang.reflect.Proxy.getInvocationHandler(object);
            return handler instanceof Distant ? ((Distant) handler).ref : null;
        }
        return null;
    }

    @Override
    public boolean equals(Object other) {
        return ref.same(this, other);
    }

    @Override
    public int hashCode() {
        return ref.hash;
    }

    @Override
    public String toString() {
        return ref.text();
    }

    /** Sends every call of an interface method to the other JVM. */
    static final class Distant implements InvocationHandler {
        final Ref ref;

        Distant(Ref ref) {
            this.ref = ref;
        }

        @Override
        public Object invoke(Object proxy, Method method, Object[] given) {
            Object[] arguments = given == null ? new Object[0] : given;
            if (method.getDeclaringClass() == Object.class) {
                switch (method.getName()) {
                    case "equals":
                        return ref.same(proxy, arguments[0]);
                    case "hashCode":
                        return ref.hash;
                    default:
                        return ref.text();
                }
            }
            return ref.wire.invoke(ref.id, Members.key(method), arguments);
        }
    }
}
